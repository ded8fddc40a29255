import { Router } from 'express'
import type { Live } from '../live/live.js'
import type { Web } from '../web.js'

export function apiRoutes(_web: Web, _live: Live): Router {
  return Router()
}
