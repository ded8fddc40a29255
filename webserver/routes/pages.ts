import { Router } from 'express'
import { SluiceError } from '../../errors.js'
import type { Web } from '../web.js'
import { dagListPage } from './dags.js'
import { runPage } from './run.js'

/** Every page, by address. */
export function pageRoutes(web: Web): Router {
  const router = Router()
  router.get('/dags', (req, res) => dagListPage(web, req, res))
  router.get('/runs/:run', (req, res) => runPage(web, req, res))
  router.use((req) => {
    throw new SluiceError('NOT_FOUND', `There is no page ${req.path}.`)
  })
  return router
}
