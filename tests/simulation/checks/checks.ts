import { isFinalRun } from '../../../scheduler/core/states.js'
import type { History } from '../history.js'
import type { Weather } from '../host.js'
import type { MailServer } from '../mail.js'
import type { createMemoryStore } from '../memory-store/index.js'
import { type Outside, WAITING } from '../outside.js'
import { POOLS } from '../random-dag.js'
import type { StoreCall } from '../remote-store.js'
import { AcknowledgedCheck } from './acknowledged.js'
import { AlertsCheck } from './alerts.js'
import { BackfillsCheck } from './backfills.js'
import { BranchesCheck } from './branches.js'
import { isNextDue } from './calendar.js'
import { ClaimsCheck } from './claims.js'
import { FilesCheck } from './files.js'
import { FlowCheck } from './flow.js'
import { HandlesCheck } from './handles.js'
import { LimitsCheck } from './limits.js'
import { Mirror } from './mirror.js'
import { MutesCheck } from './mutes.js'
import { OutagesCheck } from './outages.js'
import { OutcomesCheck } from './outcomes.js'
import { ReadyCheck } from './ready.js'
import { RunsCheck } from './runs.js'
import { SilencesCheck } from './silences.js'
import { SlasCheck } from './slas.js'
import { TransitionsCheck } from './transitions.js'
import { TriggersCheck } from './triggers.js'
import { WaitsCheck } from './waits.js'

/** All invariants. They see what the store executed, in order, and judge it by what went before. */
export class Checks {
  readonly #history: History
  readonly #store: ReturnType<typeof createMemoryStore>
  readonly #mirror: Mirror
  readonly #claims: ClaimsCheck
  readonly #runs: RunsCheck
  readonly #backfills: BackfillsCheck
  readonly #slas: SlasCheck
  readonly #alerts: AlertsCheck
  readonly #mutes: MutesCheck
  readonly #limits: LimitsCheck
  readonly #branches: BranchesCheck
  readonly #outcomes: OutcomesCheck
  readonly #transitions: TransitionsCheck
  readonly #waits: WaitsCheck
  readonly #flow: FlowCheck
  readonly #handles: HandlesCheck
  readonly #ready: ReadyCheck
  readonly #outages: OutagesCheck
  readonly triggers: TriggersCheck
  readonly files: FilesCheck
  readonly silences: SilencesCheck
  /** what people were told is done */
  readonly acknowledged: AcknowledgedCheck
  readonly #withHoles = new Set<string>()
  #ticksGoOn = true

  constructor(
    history: History,
    store: ReturnType<typeof createMemoryStore>,
    outside: Outside,
    isLocked: boolean,
    { outage }: Pick<Weather, 'outage'>,
  ) {
    this.#history = history
    this.#store = store
    this.#mirror = new Mirror(history, (version) => store.tables.versions.get(version))
    this.#claims = new ClaimsCheck(history)
    this.#runs = new RunsCheck(history, (version) => store.tables.versions.get(version)?.schedule ?? null)
    this.#backfills = new BackfillsCheck(history)
    this.#slas = new SlasCheck(history, (dagId) => store.tables.dags.get(dagId)?.paused === true)
    this.#alerts = new AlertsCheck(history, (version) => store.tables.versions.get(version))
    this.#mutes = new MutesCheck(history)
    this.acknowledged = new AcknowledgedCheck(history)
    this.#limits = new LimitsCheck(history, this.#mirror, POOLS)
    this.#branches = new BranchesCheck(history, this.#mirror)
    this.#outcomes = new OutcomesCheck(history)
    this.#transitions = new TransitionsCheck(history, this.#mirror, this.#branches)
    this.#waits = new WaitsCheck(history, this.#mirror, store.tables)
    this.#flow = new FlowCheck(history, this.#mirror)
    this.#handles = new HandlesCheck(history, store.tables)
    this.#outages = new OutagesCheck(history, outage)
    this.#ready = new ReadyCheck(history, this.#mirror)
    this.triggers = new TriggersCheck(history, store.tables, outside)
    this.files = new FilesCheck(history, isLocked)
    this.silences = new SilencesCheck(history)
  }

  observe(call: StoreCall): void {
    this.#claims.observe(call)
    this.#runs.observe(call)
    this.#backfills.observe(call)
    this.#slas.observe(call)
    this.#alerts.observe(call, this.#store.tables)
    this.#mutes.observe(call, this.#store.tables)
    this.acknowledged.observe(call)
    this.#mirror.observe(call)
    this.#limits.observe(call)
    this.#branches.observe(call)
    this.#outcomes.observe(call)
    this.#transitions.observe(call)
    this.#waits.observe(call)
    this.#flow.observe(call)
    this.#handles.observe(call)
    this.#ready.observe(call)
    this.#outages.observe(call)
    this.triggers.observe(call)
    this.files.observe(call, this.#store.tables)
    this.silences.observe(call)
    this.#goesOn(call)
  }

  /** from now on DAGs are kept from having a next tick */
  ticksEnd(): void {
    this.#ticksGoOn = false
  }

  /** A DAG that is registered with a schedule has a next tick: the schedules of a simulation have no end. */
  #goesOn(call: StoreCall): void {
    if (call.method !== 'registerDags' || !this.#ticksGoOn) return
    for (const { id, schedule, version } of call.args[0].dags) {
      const registered = this.#store.tables.dags.get(id)
      if (schedule === null || registered?.version !== version || registered.nextDueAt !== null) continue
      this.#history.violated('a schedule goes on', `${id} is registered as ${version} and has no next tick`)
    }
  }

  /** the DAG was paused or changed, so ticks without a run are as they should be */
  ticksMayBeMissing(dagId: string): void {
    this.#withHoles.add(dagId)
  }

  end(mail: MailServer): void {
    const { tables } = this.#store
    for (const { run, tasks } of tables.runs.values()) {
      if (!isFinalRun(run.state)) {
        const states = [...tasks.values()].map(({ task }) => `${task.taskId} ${task.state} (${task.reason})`)
        this.#history.violated('every run ends', `${run.id} is ${run.state}: ${states.join(', ')}`)
      }
      for (const { taskId, attempt, outcome } of tables.attempts.get(run.id)?.values() ?? []) {
        if (outcome === null) this.#history.violated('every attempt ends', `${run.id}/${taskId}/${attempt} has not`)
      }
      const unsettled = tables.unsettled(run.id).length
      if (unsettled > 0) this.#history.violated('every outcome is settled', `${run.id} has ${unsettled} left`)
      for (const { task } of tasks.values()) {
        const mirrored = this.#mirror.runs.get(run.id)?.tasks.get(task.taskId)
        if (mirrored?.state !== task.state) {
          this.#history.violated('history explains state', `${run.id}/${task.taskId} is ${task.state}`)
        }
      }
    }
    for (const { id, schedule, catchup } of tables.versions.values()) {
      if (schedule === null || catchup !== 'all' || this.#withHoles.has(id)) continue
      this.#runs.end(id, (tick, next) => isNextDue(schedule, tick, next))
    }
    this.#backfills.end(tables.backfills.values())
    if (!this.#withHoles.has(WAITING)) this.triggers.end()
    this.#alerts.end(tables, mail)
    this.silences.end(tables, this.#history.now)
    this.#slas.end([...tables.runs.values()].map(({ run }) => ({ run, dag: tables.versions.get(run.version) })))
  }
}
