-- How punctual each airport was, month by month.
select
  origin,
  departed_month as month,
  count(*) as flights,
  round(avg(delay_minutes), 1) as mean_delay_minutes,
  max(delay_minutes) as worst_delay_minutes,
  round(avg(case when late then 1e0 else 0e0 end), 4) as late_share
from silver.flights
where delay_minutes is not null
group by origin, departed_month
