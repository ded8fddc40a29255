import { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import type { Web } from '../web.js'
import { actionRoutes } from './actions.js'
import { alertActions, alertsPage } from './alerts.js'
import { attemptPage, rawLog } from './attempt.js'
import { dagGridPage } from './dag-grid.js'
import { backfillPost, dagSchedulePage } from './dag-schedule.js'
import { dagAuditPage, dagCodePage, dagGraphPage, dagRunsPage, dagTablesPage, dagVersionsPage } from './dag-tabs.js'
import { dagListPage } from './dags.js'
import { nowPage } from './now.js'
import { runPage } from './run.js'
import { runListPage } from './runs.js'
import { auditPage, workersPage } from './system.js'
import { rollbackPost, tableListPage, tablePage, tableSchemaPage } from './tables.js'
import { triggerPage, triggerPost } from './trigger.js'

type Page = (web: Web, req: Request, res: Response) => Promise<void>

const PAGES: Record<string, Page> = {
  '/': nowPage,
  '/dags': dagListPage,
  '/dags/:dag': dagGridPage,
  '/dags/:dag/graph': dagGraphPage,
  '/dags/:dag/runs': dagRunsPage,
  '/dags/:dag/schedule': dagSchedulePage,
  '/dags/:dag/tables': dagTablesPage,
  '/dags/:dag/code': dagCodePage,
  '/dags/:dag/versions': dagVersionsPage,
  '/dags/:dag/audit': dagAuditPage,
  '/dags/:dag/trigger': triggerPage,
  '/runs': runListPage,
  '/runs/:run': runPage,
  '/runs/:run/tasks/:task': attemptPage,
  '/runs/:run/tasks/:task/log': rawLog,
  '/tables': tableListPage,
  '/tables/:table': (web, req, res) => tablePage(web, req, res),
  '/tables/:table/schema': tableSchemaPage,
  '/workers': workersPage,
  '/alerts': alertsPage,
  '/audit': auditPage,
}

/** Every page by its address, and the forms on them. */
export function pageRoutes(web: Web): Router {
  const router = Router()
  for (const [path, page] of Object.entries(PAGES)) router.get(path, (req, res) => page(web, req, res))
  router.post('/dags/:dag/backfill', (req, res) => backfillPost(web, req, res))
  router.post('/dags/:dag/trigger', (req, res) => triggerPost(web, req, res))
  router.post('/tables/:table/rollback', (req, res) => rollbackPost(web, req, res))
  router.use(alertActions(web))
  router.use(actionRoutes(web))
  router.use((req: Request) => {
    throw new SluiceError('NOT_FOUND', `There is no page ${req.path}.`)
  })
  return router
}
