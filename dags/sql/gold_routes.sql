-- Every route with at least ten flights, ranked by how often it is late within its origin.
with routes as (
  select
    origin,
    destination,
    max(distance_miles) as distance_miles,
    count(*) as flights,
    round(avg(delay_minutes), 1) as mean_delay_minutes,
    round(avg(case when late then 1e0 else 0e0 end), 4) as late_share
  from silver.flights
  where delay_minutes is not null
  group by origin, destination
  having count(*) >= 10
)
select
  routes.*,
  airports.name as destination_name,
  rank() over (partition by origin order by late_share desc) as late_rank
from routes
join silver.airports as airports on airports.airport = routes.destination
