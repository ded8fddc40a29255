-- A run that a command has left something to decide about: found although nobody was told. Nearly always none is marked, so that
-- the index is empty, and steps of runs that are not do not touch it.
alter table runs add column unsettled boolean not null default false;
create index runs_unsettled on runs (run_id) where unsettled;
