-- A table made anew may have as many versions as the one before it: when the version at the position was committed tells them apart.
alter table trigger_sources add column position_at timestamptz;
