-- One row per airport, with what is known to be wrong put right.
select
  iata as airport,
  replace(trim(name), '  ', ' ') as name,
  -- The source writes a missing city or state as the text NA.
  nullif(city, 'NA') as city,
  nullif(state, 'NA') as state,
  country,
  -- American Samoa lies south of the equator; Guam and the Northern Marianas lie east of Greenwich. The source lost the signs.
  case when state = 'AS' then -abs(latitude) else latitude end as latitude,
  case when state in ('GU', 'CQ') then abs(longitude) else longitude end as longitude
from bronze.airports
