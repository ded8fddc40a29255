-- A small shop with the tables of the well-known Northwind sample, filled by arithmetic: the same rows each time, no data of
-- anybody. Run it in the database `shop`; running it again makes everything anew.
--   psql "$SHOP_URL" --file dags/cluster/shop/shop.sql
begin;
drop table if exists order_details, orders, products, categories, customers, employees;

create table categories (category_id integer primary key, category_name text not null, description text);
insert into categories
select row_number() over (), name, 'Our ' || lower(name)
from unnest(array['Beverages', 'Condiments', 'Confections', 'Dairy Products', 'Grains', 'Meat', 'Produce', 'Seafood']) name;

create table products (
  product_id integer primary key,
  product_name text not null,
  category_id integer not null references categories,
  unit_price numeric(10, 2) not null,
  units_in_stock integer not null,
  discontinued boolean not null
);
insert into products
select i, 'Product ' || lpad(i::text, 3, '0'), 1 + (i * 5) % 8, 2.5 + (i * 37 % 400) / 8.0, i * 13 % 120, i % 19 = 0
from generate_series(1, 77) i;

create table customers (
  customer_id text primary key,
  company_name text not null,
  city text,
  country text not null
);
insert into customers
select 'C' || lpad(i::text, 4, '0'), 'Company ' || i,
  -- a few have no city, as in life
  case when i % 17 = 0 then null else 'City ' || (i % 40) end,
  (array['Germany', 'France', 'USA', 'Brazil', 'UK', 'Mexico', 'Spain', 'Italy', 'Sweden', 'Norway', 'Poland', 'Canada'])[1 + (i * i) % 12]
from generate_series(1, 91) i;

create table employees (employee_id integer primary key, last_name text not null, title text, hired_on date not null);
insert into employees
select i, 'Employee ' || i, case when i % 4 = 0 then 'Sales Manager' else 'Sales Representative' end, date '2019-01-01' + i * 97
from generate_series(1, 9) i;

create table orders (
  order_id integer primary key,
  customer_id text not null references customers,
  employee_id integer not null references employees,
  ordered_at timestamptz not null,
  shipped_on date,
  freight numeric(10, 2) not null
);
insert into orders
select 10000 + i,
  -- some customers order more than others
  'C' || lpad((1 + case when i % 3 = 0 then i * i % 23 else (i * 37 + i / 91) % 91 end)::text, 4, '0'),
  1 + (i * 11) % 9,
  timestamptz '2025-01-01 08:00:00+00' + make_interval(hours => i * 7, mins => i * 13 % 60),
  case when i % 23 = 0 then null else (timestamptz '2025-01-01 08:00:00+00' + make_interval(hours => i * 7))::date + 1 + i % 6 end,
  5 + (i * 31 % 900) / 10.0
from generate_series(1, 2000) i;

create table order_details (
  order_id integer not null references orders,
  product_id integer not null references products,
  unit_price numeric(10, 2) not null,
  quantity integer not null,
  discount numeric(4, 2) not null,
  primary key (order_id, product_id)
);
insert into order_details
select order_id, product_id, unit_price, 1 + (order_id * 3 + product_id * 7) % 40,
  (array[0, 0, 0, 0.05, 0.1, 0.15])[1 + (order_id + product_id) % 6]
from orders, lateral (
  select product_id, unit_price from products p where (p.product_id + order_id * 3) % 29 = 0
) line;
commit;
