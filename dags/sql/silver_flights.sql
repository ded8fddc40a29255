-- One row per departure, joined with both airports. The source carries no flight number, so equal rows are one flight.
with departures as (
  select distinct
    date as departed_at,
    origin,
    destination,
    distance as distance_miles,
    -- Nobody arrives hours before the plan: such a delay is a date that rolled over, and unknown.
    case when delay >= -120 then delay end as delay_minutes
  from bronze.flights
)
select
  departures.departed_at,
  cast(departures.departed_at as date) as departed_on,
  extract(month from departures.departed_at) as departed_month,
  departures.origin,
  -- The weather stations stand for cities, the airports of New York lie around one.
  case departures.origin when 'SEA' then 'Seattle' else 'New York' end as origin_city,
  departures.destination,
  destinations.state as destination_state,
  departures.distance_miles,
  -- The great circle between the airports, as an independent witness of the distance that was reported.
  round(2 * 3958.8 * asin(sqrt(
    power(sin(radians(destinations.latitude - origins.latitude) / 2), 2)
    + cos(radians(origins.latitude)) * cos(radians(destinations.latitude))
      * power(sin(radians(destinations.longitude - origins.longitude) / 2), 2)
  )), 1) as great_circle_miles,
  departures.delay_minutes,
  departures.delay_minutes > {{ params.late_after }} as late
from departures
join silver.airports as origins on origins.airport = departures.origin
join silver.airports as destinations on destinations.airport = departures.destination
