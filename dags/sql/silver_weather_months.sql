-- The typical month of each city, from four years of days.
select
  location as city,
  extract(month from date) as month,
  count(*) as days,
  round(avg(case when precipitation > 0 then 1e0 else 0e0 end), 3) as wet_share,
  round(avg(case when weather = 'snow' then 1e0 else 0e0 end), 3) as snow_share,
  round(avg(precipitation), 2) as mean_precipitation_mm,
  round(avg(wind), 2) as mean_wind
from bronze.weather
group by location, extract(month from date)
