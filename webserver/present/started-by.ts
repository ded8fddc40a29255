import type { RunTrigger } from '../../scheduler/core/model.js'
import { links } from './links.js'

const SHOWN = 10

/** What started a run, each thing with its page where it has one; null for a run that no trigger started. */
export function startedByView(trigger: RunTrigger | null) {
  if (trigger === null) return null
  const entries = entriesOf(trigger)
  return { entries: entries.slice(0, SHOWN), more: Math.max(0, entries.length - SHOWN) }
}

function entriesOf(trigger: RunTrigger): { text: string; href: string }[] {
  switch (trigger.kind) {
    case 'table':
      return trigger.tables.map(({ table, version, from_version: from }) => ({
        text: from === null || from === version - 1 ? `${table} ${version}` : `${table} ${from + 1} to ${version}`,
        href: links.table(table),
      }))
    case 'dag':
      return trigger.runs.map(({ run }) => ({ text: run, href: links.run(run) }))
    case 'file':
      return trigger.files.map((file) => ({ text: file, href: '' }))
    case 'webhook':
      return [{ text: `webhook ${trigger.webhook}, delivery ${trigger.delivery}`, href: '' }]
  }
}
