import type { Request, Response } from 'express'
import { auditEntries } from '../../scheduler/store/reads/audit.js'
import { pools } from '../../scheduler/store/reads/now.js'
import { sendPage } from '../page.js'
import { auditView } from '../present/audit.js'
import { workersView } from '../present/workers.js'
import { wholeNumber } from '../query.js'
import type { Web } from '../web.js'
import { poolView } from './now.js'

const AUDIT = 100

/** The workers that are alive or were lately, and how full the pools are. */
export async function workersPage(web: Web, req: Request, res: Response): Promise<void> {
  const now = web.deps.now()
  const [workers, poolRows] = await Promise.all([web.deps.store.workers(now), pools(web.deps.database)])
  const model = { workers: workersView(workers, now), pools: poolRows.map((pool) => poolView(pool, now)) }
  await sendPage(web, req, res, 'workers', { title: 'Workers', section: 'workers' }, model)
}

/** Who did what, all over the project, newest first. */
export async function auditPage(web: Web, req: Request, res: Response): Promise<void> {
  const before = wholeNumber(req.query.before, 1, Number.MAX_SAFE_INTEGER)
  const entries = await auditEntries(web.deps.database, { before, limit: AUDIT + 1, dagId: null })
  const audit = auditView(entries, AUDIT, '/audit', web.deps.now())
  const keys = [{ keys: ['j', 'k'], label: 'move' }]
  await sendPage(web, req, res, 'audit', { title: 'Audit', section: 'audit', keys }, { audit })
}
