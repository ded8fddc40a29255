import { ERRORS, isSluiceError, messageOf, SluiceError } from '../../errors.js'
import { isoInstant, type Json, type JsonObject } from '../../json.js'
import { type Operator, type OperatorContext, OperatorFailure, type OperatorResult } from '../../operators/operator.js'
import { checkOutputs } from '../../operators/outputs.js'
import type { Wait } from '../../operators/wait.js'
import { kindOfRun } from '../core/run-id.js'
import { type RenderedTask, renderTask, type TemplateScope } from '../dag/templates.js'
import { lakehouseConfig } from '../lakehouse-config.js'
import type { LeftWorkKey } from '../store/left-work-store.js'
import type { AttemptFacts, EarlierAttempt } from '../store/store.js'
import { attemptContext } from './attempt-context.js'
import { changeSince, inputKey, takenOver } from './earlier-result.js'
import { endLeft } from './end-left.js'
import type { LogStore } from './log-store.js'
import { LogWriter } from './log-writer.js'
import { Masking } from './masking.js'
import type { Assignment, FromSlot, SlotConfig, SlotOutcome } from './protocol.js'
import type { SlotTables } from './slot-tables.js'
import { isTooDeep, storable, storableReason, storableRendered, storableText } from './storable.js'
import type { WorkFolder, WorkFolders } from './work-folder.js'

/** What an attempt says while it runs. */
export interface AttemptVoice {
  logged(lines: number): void
  progress(value: JsonObject): void
  saveHandle(handle: Json): Promise<void>
  /** an attempt that ended well with these inputs; null for none, or when nobody knows */
  doneBefore(inputKey: string): Promise<EarlierAttempt | null>
  /** this has ended, and nobody has to see to it any more */
  leftEnded(work: LeftWorkKey): void
}

export type AttemptEnd = Omit<Extract<FromSlot, { kind: 'done' }>, 'kind' | 'claimToken' | 'memory'>

export interface AttemptSurroundings {
  config: SlotConfig
  operators: ReadonlyMap<string, Operator>
  logs: LogStore
  /** environment of the slot */
  env: Record<string, string | undefined>
  tables: SlotTables
  work: WorkFolders
  now(): number
}

type Facts = Pick<AttemptFacts, 'reads' | 'writes' | 'checks' | 'metrics' | 'inputKey'>

/**
 * Runs one attempt to its end. Never rejects: whatever happens is its outcome. The log is durable before it resolves.
 * @param signal aborted with a SluiceError CANCELLED or TIMED_OUT to stop it
 */
export async function runAttempt(
  assignment: Assignment,
  voice: AttemptVoice,
  signal: AbortSignal,
  around: AttemptSurroundings,
): Promise<AttemptEnd> {
  const { runId, taskId, attempt, claimToken } = assignment.claim
  const masking = new Masking()
  const log = new LogWriter({
    store: around.logs,
    attempt: { runId, taskId, attempt },
    masking,
    now: around.now,
    onFlush: (lines) => voice.logged(lines),
  })
  const work = around.work.of(claimToken)
  const run = new AttemptRun(assignment, voice, signal, around, { masking, log, work })
  const outcome = await run.outcome()
  if (outcome.result === 'failed') log.write('error', outcome.reason)
  if (run.hint !== '') log.write('info', run.hint)
  await log.close()
  // nobody waits for it: what a removal cannot do, the next start does
  work.remove().catch(() => undefined)
  return {
    outcome: {
      ...outcome,
      reason: storableReason(masking.text(outcome.reason)),
      outputs: masking.json(outcome.outputs),
    },
    facts: { ...run.facts(), logLines: log.lines, logBytes: log.bytes },
    logFailure: log.failure,
  }
}

class AttemptRun {
  #rendered: RenderedTask | null = null
  #facts: Facts = { reads: [], writes: [], checks: [], metrics: {} }
  /** what to do about its failure; empty where that is to read this log */
  hint = ''

  constructor(
    private readonly assignment: Assignment,
    private readonly voice: AttemptVoice,
    private readonly signal: AbortSignal,
    private readonly around: AttemptSurroundings,
    private readonly own: { masking: Masking; log: LogWriter; work: WorkFolder },
  ) {}

  /** Everything besides the log, secrets masked. */
  facts(): Facts & { rendered: Json } {
    const { masking } = this.own
    const task = this.#rendered
    const { dag } = this.assignment
    const rendered = task === null ? null : { ...task.config, ...checksOf(task), ...filesOf(task, dag.files) }
    // samples are rows of tables and may hold anything
    const facts = masking.json(storable(this.#facts)) as unknown as Facts
    return { ...facts, rendered: storableRendered(masking.json(storable(rendered))) }
  }

  async outcome(): Promise<SlotOutcome> {
    try {
      return await this.#run()
    } catch (error) {
      return this.#failure(error)
    }
  }

  async #run(): Promise<SlotOutcome> {
    this.signal.throwIfAborted()
    const { claim, dag, task } = this.assignment
    const operator = this.around.operators.get(task.operator)
    if (operator === undefined) {
      throw new SluiceError('OPERATOR_FAILED', `This worker has no operator ${task.operator}.`, { retryable: false })
    }
    const rendered = renderTask(dag, task, operator, scopeOf(this.assignment, this.around.config))
    if (!rendered.when) return ended('skipped', '`when` is false')
    this.#rendered = rendered
    const key = task.skipIfDone ? inputKey(this.assignment, rendered, this.around.config) : null
    const done = key === null ? null : await this.#doneBefore(key)
    if (done !== null) return done
    await this.#endLeft()
    const { context, opened } = attemptContext({
      ...this.around,
      ...this.own,
      ...this.voice,
      assignment: this.assignment,
      rendered,
      signal: this.signal,
    })
    try {
      const result = await started(operator, rendered.config, claim.handle, context)
      this.#facts = factsOf(result)
      if (key !== null && result.unknownReads !== true) this.#facts.inputKey = key
      const outputs = keepable(result.outputs ?? {})
      if (result.deferred !== undefined) {
        const { until, reason, waitsFor = null } = result.deferred
        return { ...ended('deferred', reason), wakeAt: until, waitsFor: this.#shown(waitsFor) }
      }
      if (result.skipped !== undefined) return ended('skipped', result.skipped.reason, outputs)
      checkDeclared(outputs, this.assignment)
      return ended('success', result.summary ?? '', outputs)
    } finally {
      await opened.close()
    }
  }

  /**
   * What the task had started before it was cleared would publish beside this attempt, or after it.
   * @throws SluiceError EARLIER_WORK_RUNS
   */
  async #endLeft(): Promise<void> {
    const { left, dag, task } = this.assignment
    for (const work of left) {
      const { failure, said } = await endLeft({ work, dag, task }, this.around, this.signal)
      for (const { level, message } of said) this.own.log.write(level, message)
      this.signal.throwIfAborted()
      if (failure !== null) throw earlierWorkRuns(work, failure)
      this.voice.leftEnded(work)
    }
  }

  /** What people read of a wait is masked; the rest is compared and acted upon, and would mean something else. */
  #shown(wait: Wait | null): Wait | null {
    if (wait?.kind !== 'approval') return wait
    return { ...wait, message: storableText(this.own.masking.text(wait.message)) }
  }

  /** The end that an earlier attempt gives to this one; null when it is to run. */
  async #doneBefore(key: string): Promise<SlotOutcome | null> {
    const { claim } = this.assignment
    // who clears a task wants it to run, and outside work that is under way is gone on with
    if (claim.generation > 1 || claim.handle !== null) return null
    const earlier = await this.voice.doneBefore(key)
    this.signal.throwIfAborted()
    if (earlier === null) return null
    const { project, catalogs, connections, cache } = this.around.config
    const source = { env: this.around.env, folder: project }
    const config = lakehouseConfig({ project, catalogs, connections, cache }, null, source, (secret) =>
      this.own.masking.add(secret),
    )
    const change = await changeSince(earlier, () => this.around.tables.open(config))
    this.signal.throwIfAborted()
    if (change !== null) {
      this.own.log.write('info', `The result of ${earlier.runId} is not taken over: ${change}.`)
      return null
    }
    const reason = takenOver(earlier, claim)
    this.own.log.write('info', reason)
    const { runId: run, taskId: task, attempt } = earlier
    this.#facts = { reads: earlier.reads, writes: [], checks: [], metrics: { taken_from: { run, task, attempt } } }
    return ended('success', reason, earlier.outputs)
  }

  #failure(error: unknown): SlotOutcome {
    if (error instanceof OperatorFailure) this.#facts = factsOf(error.facts)
    const cause = error instanceof OperatorFailure ? error.error : error
    const stopped = this.signal.aborted && isSluiceError(this.signal.reason) ? this.signal.reason : null
    if (stopped !== null) return { ...ended(stopped.code === 'TIMED_OUT' ? 'timed_out' : 'cancelled', stopped.message) }
    if (cause instanceof SluiceError) {
      this.hint = cause.hint === ERRORS.OPERATOR_FAILED.hint ? '' : cause.hint
      return { ...ended('failed', cause.message), retryable: cause.retryable }
    }
    // a defect of an operator: where it happened is in the log
    if (cause instanceof Error && cause.stack !== undefined) this.own.log.write('error', cause.stack)
    return ended('failed', messageOf(cause))
  }
}

function earlierWorkRuns({ taskId, attempt }: LeftWorkKey, failure: string): SluiceError {
  const what = `What attempt ${attempt} of ${taskId} had started before the task was cleared`
  const message = `${what} could not be ended and may still write, so nothing new is started: ${failure}`
  return new SluiceError('EARLIER_WORK_RUNS', message)
}

function keepable(outputs: JsonObject): JsonObject {
  checkOutputs(outputs)
  if (!isTooDeep(outputs)) return storable(outputs) as JsonObject
  throw new SluiceError('OUTPUTS_INVALID', 'The outputs nest more than 64 levels deep.', { retryable: false })
}

function ended(result: SlotOutcome['result'], reason: string, outputs: JsonObject = {}): SlotOutcome {
  return { result, reason, retryable: true, outputs }
}

/** An earlier attempt's outside work is continued where its operator can do so. */
function started(
  operator: Operator,
  config: JsonObject,
  handle: Json,
  context: OperatorContext,
): Promise<OperatorResult> {
  if (handle === null || operator.reattach === undefined) return operator.run(config, context)
  return operator.reattach(handle, config, context)
}

function factsOf(result: Pick<OperatorResult, 'commits' | 'reads' | 'checks' | 'metrics'>): Facts {
  return {
    reads: result.reads ?? [],
    writes: result.commits ?? [],
    checks: result.checks ?? [],
    metrics: result.metrics ?? {},
  }
}

function checksOf(rendered: RenderedTask): JsonObject {
  if (rendered.checks.length === 0) return {}
  return { checks: rendered.checks.map(({ kind, options, severity, name }) => ({ kind, options, severity, name })) }
}

/** The files that the attempt had otherwise than the version of its DAG has them; the others can be read there. */
function filesOf(rendered: RenderedTask, written: Readonly<Record<string, string>>): JsonObject {
  const own = Object.entries(rendered.files).filter(([path, text]) => written[path] !== text)
  return own.length === 0 ? {} : { rendered_files: Object.fromEntries(own) }
}

/** Templates of later tasks were checked against the declared names, so a task that does not keep to them has failed. */
function checkDeclared(outputs: JsonObject, { task }: Assignment): void {
  const declared = Object.keys(task.outputs)
  if (declared.length === 0) return
  const missing = declared.filter((name) => !Object.hasOwn(outputs, name))
  const unknown = Object.keys(outputs).filter((name) => !Object.hasOwn(task.outputs, name))
  const faults = [
    missing.length > 0 ? `are without the declared ${missing.join(', ')}` : '',
    unknown.length > 0 ? `hold ${unknown.join(', ')}, not declared` : '',
    ...wrongTypes(outputs, task.outputs),
  ].filter((fault) => fault !== '')
  if (faults.length === 0) return
  throw new SluiceError('OUTPUTS_INVALID', `The outputs ${faults.join(' and ')}.`, {
    hint: 'Make the task write what `outputs` declares, or mend the declaration.',
    retryable: false,
  })
}

/** An output that is declared by a word for a type, instead of what it means, holds a value of that type. */
function wrongTypes(outputs: JsonObject, declared: Readonly<Record<string, string>>): string[] {
  return Object.entries(declared).flatMap(([name, type]) => {
    const value = outputs[name]
    if (value === undefined || !Object.hasOwn(OUTPUT_TYPES, type) || OUTPUT_TYPES[type]?.(value) === true) return []
    return `hold in ${name} ${JSON.stringify(value).slice(0, 50)}, which is no ${type}`
  })
}

const OUTPUT_TYPES: Readonly<Record<string, (value: Json) => boolean>> = {
  string: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  array: (value) => Array.isArray(value),
  object: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
}

function scopeOf({ claim, dag, task, upstream }: Assignment, config: SlotConfig): TemplateScope {
  return {
    params: claim.params,
    interval: { start: isoInstant(claim.intervalStart), end: isoInstant(claim.intervalEnd) },
    run: { id: claim.runId, scheduled_at: isoInstant(claim.dueAt) },
    dag: { id: dag.id, version: dag.version, owner: dag.owner },
    task: { id: task.id, attempt: claim.attempt },
    tasks: upstream,
    trigger: claim.trigger === null ? { kind: kindOfRun(claim.runId) } : (claim.trigger as unknown as JsonObject),
    vars: config.vars,
    ...(task.forEach === null ? {} : { item: claim.item }),
  }
}
