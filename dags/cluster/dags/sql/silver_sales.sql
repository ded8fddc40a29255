-- One row for each line of an order, with everything that questions about sales ask for.
SELECT
  d.order_id,
  d.product_id,
  o.customer_id,
  c.country,
  o.employee_id,
  p.product_name,
  g.category_name,
  o.ordered_at,
  o.shipped_on,
  d.quantity,
  d.unit_price,
  d.discount,
  CAST(d.quantity * d.unit_price * (1 - d.discount) AS DECIMAL(18, 4)) AS revenue
FROM bronze.order_details d
JOIN bronze.orders o ON o.order_id = d.order_id
JOIN bronze.products p ON p.product_id = d.product_id
JOIN bronze.categories g ON g.category_id = p.category_id
JOIN bronze.customers c ON c.customer_id = o.customer_id
