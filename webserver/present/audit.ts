import type { Instant } from '../../json.js'
import type { AuditEntry } from '../../scheduler/store/reads/audit.js'
import { links } from './links.js'
import { timeLine } from './time.js'

const DETAIL_LENGTH = 300

/** Audit rows with links to what they are about; `base` is the address that older ones are asked from. */
export function auditView(entries: readonly AuditEntry[], limit: number, base: string, now: Instant) {
  const shown = entries.slice(0, limit)
  const last = shown.at(-1)
  return {
    rows: shown.map((entry) => ({
      at: timeLine(entry.at, 'UTC', now, { seconds: true }),
      user: entry.user,
      action: entry.action,
      target: entry.target,
      href: targetHref(entry),
      detail: detailText(entry),
    })),
    older: entries.length > limit && last !== undefined ? `${base}?before=${last.id}` : '',
  }
}

/** DAG ids have no dash and runs have one, so the target tells which it is. */
function targetHref({ action, target }: AuditEntry): string {
  if (action === 'login' || action === 'logout') return ''
  if (action === 'rollback') return links.table(target)
  if (target === 'alerts') return '/alerts'
  const [run = '', task] = target.split('/')
  if (!run.includes('-')) return links.dag(target)
  return task === undefined ? links.run(run) : links.task(run, task)
}

function detailText({ detail }: AuditEntry): string {
  const text = Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '' && value !== false)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')
  return text.length > DETAIL_LENGTH ? `${text.slice(0, DETAIL_LENGTH)}…` : text
}
