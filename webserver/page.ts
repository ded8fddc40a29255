import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Request, Response } from 'express'
import type { Instant } from '../json.js'
import { PACKAGE_ROOT } from '../package-root.js'
import { attentionCount } from '../scheduler/store/reads/now.js'
import { csrfToken } from './auth/csrf.js'
import { nonceOf } from './auth/headers.js'
import { cookieOf, hasRole, identityOf } from './auth/session.js'
import { day, wallTime } from './present/time.js'
import type { Web } from './web.js'

export type Section = 'now' | 'dags' | 'runs' | 'tables' | 'alerts' | 'workers' | 'audit'

const SECTIONS: { section: Section; href: string; label: string }[] = [
  { section: 'now', href: '/', label: 'Now' },
  { section: 'dags', href: '/dags', label: 'DAGs' },
  { section: 'runs', href: '/runs', label: 'Runs' },
  { section: 'tables', href: '/tables', label: 'Tables' },
  { section: 'alerts', href: '/alerts', label: 'Alerts' },
  { section: 'workers', href: '/workers', label: 'Workers' },
  { section: 'audit', href: '/audit', label: 'Audit' },
]

export interface KeyHint {
  keys: string[]
  label: string
}

export interface PageOptions {
  title: string
  section: Section | null
  crumbs?: { href: string; label: string }[]
  /** only keys that work on this page; `/`, `g d` and the like are added here */
  keys?: KeyHint[]
  /** where the page's live changes come from, and a mark of what it shows already */
  live?: { href: string; mark: string } | null
  hasSearch?: boolean
  /** what attentionCount says, of a page that has read it already */
  attention?: number
  status?: number
}

export const PUBLIC = join(PACKAGE_ROOT, 'webserver', 'public')

/** Changes with the files, so that browsers may keep them for ever. */
const assetVersion = createHash('sha256')
  .update(readFileSync(join(PUBLIC, 'sluice.css')))
  .update(readFileSync(join(PUBLIC, 'sluice.js')))
  .digest('hex')
  .slice(0, 12)

/** Sends one page: the view with its own model, and under `page` what the layout needs. */
export async function sendPage(
  web: Web,
  req: Request,
  res: Response,
  view: string,
  options: PageOptions,
  model: object,
): Promise<void> {
  const page = await pageModel(web, req, res, options)
  res
    .status(options.status ?? 200)
    .type('html')
    .send(web.views(view, { ...model, page }))
}

async function pageModel(web: Web, req: Request, res: Response, options: PageOptions) {
  const identity = identityOf(res)
  const now = web.deps.now()
  const attention = identity === null ? 0 : (options.attention ?? (await attentionCount(web.deps.database)))
  return {
    title: options.title,
    crumbs: options.crumbs ?? [],
    nav:
      identity === null
        ? []
        : SECTIONS.map(({ section, href, label }) => ({
            href,
            label,
            current: section === options.section,
            count: section === 'now' && attention > 0 ? String(attention) : '',
          })),
    clock: clock(now),
    user: identity?.user ?? '',
    role: identity?.role ?? '',
    mayOperate: identity !== null && hasRole(identity, 'operator'),
    nonce: nonceOf(res),
    csrf: identity?.sessionSecret == null ? '' : csrfToken(identity.sessionSecret),
    theme: themeOf(req),
    assets: assetVersion,
    live: options.live ?? null,
    keys: identity === null ? [] : [...(options.keys ?? []), ...commonKeys(options.hasSearch === true)],
    here: req.originalUrl,
  }
}

function commonKeys(hasSearch: boolean): KeyHint[] {
  const search = { keys: ['/'], label: 'search' }
  return [
    ...(hasSearch ? [search] : []),
    { keys: ['g', 'n'], label: 'now' },
    { keys: ['g', 'd'], label: 'DAGs' },
    { keys: ['g', 'r'], label: 'runs' },
    { keys: ['g', 't'], label: 'tables' },
  ]
}

function clock(now: Instant): { day: string; time: string; at: number } {
  const wall = wallTime(now, 'UTC')
  return { day: `${wall.weekday} ${day(now, 'UTC', now)}`, time: wall.seconds, at: now }
}

/** The theme asked for in the address, else the one the switch has kept, else the system's. */
function themeOf(req: Request): string {
  const asked = typeof req.query.theme === 'string' ? req.query.theme : cookieOf(req, 'sluice_theme')
  return asked === 'dark' || asked === 'light' ? asked : ''
}
