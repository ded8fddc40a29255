-- Recency, frequency and monetary value of each customer, each in fifths, and the segment they make.
WITH customers AS (
  SELECT
    customer_id,
    country,
    max(ordered_at) AS last_order,
    count(DISTINCT order_id) AS orders,
    CAST(sum(revenue) AS DECIMAL(18, 2)) AS revenue
  FROM silver.sales
  GROUP BY customer_id, country
), scored AS (
  SELECT
    *,
    ntile(5) OVER (ORDER BY last_order, customer_id) AS recency,
    ntile(5) OVER (ORDER BY orders, customer_id) AS frequency,
    ntile(5) OVER (ORDER BY revenue, customer_id) AS monetary
  FROM customers
)
SELECT
  *,
  CASE
    WHEN recency >= 4 AND frequency >= 4 AND monetary >= 4 THEN 'champion'
    WHEN frequency >= 4 THEN 'loyal'
    WHEN recency <= 2 AND monetary >= 4 THEN 'at risk'
    WHEN recency <= 2 THEN 'sleeping'
    ELSE 'regular'
  END AS segment
FROM scored
