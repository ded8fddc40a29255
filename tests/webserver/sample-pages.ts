import { LIVE_RUN, runIdOf } from './sample-store.js'

/** The run that goes on in the sample store. */
export const RUN = runIdOf(LIVE_RUN)

/** Every page of the sample store, with the searches and filters that it offers. */
export const PAGES = [
  '/',
  '/dags',
  '/dags?q=orders&state=failed&tag=sales&owner=x&sort=due&after=a',
  '/dags/orders_daily',
  '/dags/orders_daily?n=180',
  '/dags/orders_daily/graph',
  '/dags/orders_daily/runs',
  '/dags/orders_daily/tables',
  '/dags/orders_daily/versions',
  '/dags/orders_daily/audit',
  '/dags/orders_daily/trigger',
  '/dags/orders_daily/schedule',
  '/runs',
  '/runs?after=1795150000000~x',
  '/runs?state=failed',
  '/runs?state=running',
  '/runs?dag=orders_daily',
  '/runs?dag=orders_daily&state=failed',
  `/runs/${RUN}`,
  `/runs/${RUN}/tasks/gold_segments`,
  '/tables',
  '/tables/silver.orders?to=409',
  '/alerts',
  '/workers',
  '/audit',
  '/metrics',
]
