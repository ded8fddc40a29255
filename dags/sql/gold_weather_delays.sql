-- The punctuality of a city's month beside the weather that is typical of it.
with months as (
  select
    origin_city as city,
    departed_month as month,
    count(*) as flights,
    round(avg(delay_minutes), 1) as mean_delay_minutes,
    round(avg(case when late then 1e0 else 0e0 end), 4) as late_share
  from silver.flights
  where delay_minutes is not null
  group by origin_city, departed_month
)
select
  months.city,
  months.month,
  months.flights,
  months.mean_delay_minutes,
  months.late_share,
  weather.wet_share,
  weather.snow_share,
  weather.mean_wind
from months
join silver.weather_months as weather on weather.city = months.city and weather.month = months.month
