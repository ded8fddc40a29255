import { type Request, type Response, Router } from 'express'
import { SluiceError } from '../../errors.js'
import { localPath } from '../auth/local-path.js'
import { RateLimit } from '../auth/rate-limit.js'
import { hashSecret } from '../auth/secrets.js'
import { authorizeChange, beginSession, endSession, identityOf, requireIdentity } from '../auth/session.js'
import { sendPage } from '../page.js'
import { textOf } from '../query.js'
import type { Web } from '../web.js'

/** Links that fail from one address within a minute, so that nobody can try them at leisure. */
const FAILURES_OF_MINUTE = 10

/** Login by one-time link, logout, and the page that says who one is. */
export function loginRoutes(web: Web): Router {
  const router = Router()
  const failures = new RateLimit(FAILURES_OF_MINUTE)
  router.get('/login', (req, res) => login(web, failures, req, res))
  router.get('/account', (req, res) => {
    const { user, role } = requireIdentity(res)
    return sendPage(web, req, res, 'account', { title: 'You', section: null }, { user, role })
  })
  router.post('/logout', async (req, res) => {
    const identity = authorizeChange(req, res, 'viewer', web.deps.config.baseUrl)
    await endSession(web.deps, req, res, identity)
    await web.deps.store.audit(
      { user: identity.user, action: 'logout', target: identity.user, detail: {} },
      web.deps.now(),
    )
    res.redirect(303, '/login')
  })
  return router
}

async function login(web: Web, failures: RateLimit, req: Request, res: Response): Promise<void> {
  const next = localPath(req.query.next)
  const token = textOf(req.query.token)
  if (token === '') {
    if (identityOf(res) !== null) res.redirect(303, next)
    else await showLogin(web, req, res, '')
    return
  }
  // whoever asks for the headers only, such as a link preview, must not use the link up
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  const now = web.deps.now()
  const address = req.ip ?? 'unknown'
  const waitMs = failures.waitMs(address, now)
  if (waitMs > 0) {
    res.set('retry-after', String(Math.ceil(waitMs / 1000)))
    throw new SluiceError('TOO_MANY_REQUESTS', `Too many links failed from ${address}.`)
  }
  const found = await web.deps.store.redeemSecret('login_link', hashSecret(token), now)
  if (found === null) {
    failures.record(address, now)
    await showLogin(web, req, res, 'This link has been used or has expired.')
    return
  }
  await beginSession(web.deps, req, res, found.user)
  await web.deps.store.audit({ user: found.user, action: 'login', target: found.user, detail: { address } }, now)
  res.redirect(303, next)
}

function showLogin(web: Web, req: Request, res: Response, problem: string): Promise<void> {
  const status = problem === '' ? 200 : 403
  const model = { problem, project: web.deps.config.project }
  return sendPage(web, req, res, 'login', { title: 'Log in', section: null, status }, model)
}
