import type { JsonObject } from '../../json.js'
import type { Decision } from '../../scheduler/core/model.js'
import type { StoreCall } from './remote-store.js'

/** One line of history for a call that changed something; '' for one that did not. */
export function describeCall(call: StoreCall): string {
  switch (call.method) {
    case 'advanceDue':
      return list(
        'advanceDue',
        call.args[0].map(({ dagId, expect, nextDueAt, runs }, index) => {
          return `${dagId} ${expect}>${nextDueAt} [${runs.map(({ id }) => id)}] ${JSON.stringify(call.result[index])}`
        }),
      )
    case 'advanceBackfill':
      return `advanceBackfill ${call.args[0]} ${call.args[1]}>${call.args[2].nextDueAt} ${JSON.stringify(call.result)}`
    case 'createBackfill':
    case 'setBackfillState':
      return `${call.method} ${JSON.stringify(call.args)} -> ${call.result}`
    case 'fireTriggers':
      return list(
        'fireTriggers',
        call.args[0].map(({ run, events }) => `${run.id} for ${events} ${call.result.includes(run.id)}`),
      )
    case 'recordVersions':
    case 'recordFiles':
      return call.result === 0 ? '' : `${call.method} ${JSON.stringify(call.args[1])} -> ${call.result}`
    case 'registerDags':
      return `registerDags ${call.args[0].dags.map(({ version }) => version)} ${JSON.stringify(call.args[0].nextDue)}`
    case 'createRun':
      return `createRun ${call.args[0].id} -> ${JSON.stringify(call.result)}`
    case 'startRuns':
    case 'cancelOverlapping':
    case 'reapExpired':
      return call.result.length === 0 ? '' : `${call.method} -> ${call.result.join(' ')}`
    case 'applyDecision':
      return `applyDecision ${call.args[0]} at ${call.args[1]} ${describeDecision(call.args[2])} -> ${call.result}`
    case 'queueReady':
      return list(
        'queueReady',
        call.result.map(({ runId, taskId, attempt }) => `${runId}/${taskId}/${attempt}`),
      )
    case 'claim':
      return list(
        'claim',
        call.result.map(({ runId, taskId, attempt, claimToken }) => `${runId}/${taskId}/${attempt} ${claimToken}`),
      )
    case 'recordOutcomes':
      return `recordOutcomes ${call.args[0]
        .map(({ runId, taskId, attempt, claimToken, outcome }, index) => {
          return `${runId}/${taskId}/${attempt} ${claimToken} ${outcome.result}${followed(outcome.outputs)} -> ${call.result[index]}`
        })
        .join(', ')}`
    case 'heartbeat':
      return call.args[1].length === 0
        ? ''
        : `heartbeat ${call.args[1].map(({ claimToken }) => claimToken).join(' ')} -> ${JSON.stringify({
            lost: call.result.lost.map(({ claimToken }) => claimToken),
            cancel: call.result.cancel.map(({ claimToken }) => claimToken),
          })}`
    case 'beginEpoch':
      return `beginEpoch -> ${JSON.stringify(call.result)}`
    case 'settleSlas':
      return list(
        'settleSlas',
        call.result.map(({ runId, taskId, sla }) => `${runId}/${taskId ?? ''} ${sla}`),
      )
    case 'raiseAlerts':
    case 'removeWorker':
      return `${call.method} -> ${call.method === 'raiseAlerts' ? call.result.join(', ') : call.args[0]}`
    case 'muteAlerts':
    case 'endMute':
    case 'setPaused':
    case 'setNextDue':
      return `${call.method} ${JSON.stringify(call.args)} -> ${call.result}`
    default:
      return ''
  }
}

function describeDecision({ tasks, run, settled }: Decision): string {
  const moves = tasks.map(({ taskId, expect, set }) => `${taskId} ${expect.state}>${set.state} (${set.reason})`)
  return `[${moves.join(', ')}] ${JSON.stringify(run)} settled ${settled.map(({ taskId, attempt }) => `${taskId}/${attempt}`).join(' ')}`
}

function list(method: string, items: string[]): string {
  return items.length === 0 ? '' : `${method} -> ${items.join(', ')}`
}

function followed({ follow }: JsonObject): string {
  return follow === undefined ? '' : ` follows ${JSON.stringify(follow)}`
}
