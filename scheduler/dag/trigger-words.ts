import type { Trigger } from './model.js'

/** What starts runs besides time, for people: `new versions of silver.sales`. */
export function triggerWords(trigger: Trigger): string {
  if (trigger.kind === 'webhook') return `webhook ${trigger.name}`
  const names = trigger.sources.join(', ')
  const several = trigger.sources.length > 1 && trigger.kind !== 'file' ? `${trigger.mode} of ` : ''
  const what = {
    table: `new versions of ${several}${names}`,
    dag: `successful runs of ${several}${names}`,
    file: `new files ${names}`,
  }[trigger.kind]
  return trigger.batch ? `${what}, in batches` : what
}
