-- Schedules and catchup of stored versions in their new form: several crons, `every`, calendars, an end; catchup by name.

update dag_versions set spec = spec || jsonb_build_object(
  'catchup', case when spec ->> 'catchup' = 'true' then 'all' else 'none' end,
  'schedule', case when jsonb_typeof(spec -> 'schedule') = 'object' then jsonb_build_object(
    'crons', jsonb_build_array(spec -> 'schedule' -> 'cron'),
    'everyMs', null,
    'anchor', coalesce(spec -> 'start', '0'),
    'timezone', spec -> 'schedule' -> 'timezone',
    'skip', '[]'::jsonb,
    'businessDays', false,
    'end', null) end)
where jsonb_typeof(spec -> 'catchup') = 'boolean';
