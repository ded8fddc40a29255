import { isSluiceError, messageOf } from '../../errors.js'
import { createCommands } from '../../scheduler/commands/create.js'
import type { Commands, Wake } from '../../scheduler/commands.js'
import type { MarkedState } from '../../scheduler/core/mark.js'
import * as timetable from '../../scheduler/dag/schedule.js'
import { Events } from '../../scheduler/events.js'
import { BACKFILL_CHOICES } from '../../scheduler/store/backfill-store.js'
import type { Store } from '../../scheduler/store/store.js'
import type { AcknowledgedCheck } from './checks/acknowledged.js'
import type { History } from './history.js'
import type { Host } from './host.js'
import type { Prng } from './prng.js'

const ANA = { user: 'ana' }

export interface PeopleWorld {
  host: Host
  store: Store
  random: Prng
  history: History
  wake: Wake
  stop: (attempts: { runId: string; taskId: string; attempt: number }[]) => Promise<void>
  dags: () => string[]
  runs: () => { id: string; tasks: string[] }[]
  /** tasks that wait for a person */
  asked: () => { runId: string; taskId: string }[]
  acknowledged: AcknowledgedCheck
  /** called for DAGs whose ticks may have holes from now on */
  paused: (dagId: string) => void
}

/** People who trigger, cancel, clear and mark at random, sometimes twice, as people do. */
export class People {
  readonly #world: PeopleWorld
  readonly #commands: Commands
  #keys = 0

  constructor(world: PeopleWorld) {
    this.#world = world
    const { store, wake, random, stop, host } = world
    this.#commands = createCommands({
      store,
      wake,
      queue: { stop },
      events: new Events(),
      timetable,
      random: () => random.next(),
      debugPoint: host.debugPoint,
    })
  }

  /** acts now and then until this life ends or `while_` says no */
  act(goOn: () => boolean): void {
    const { host, random } = this.#world
    host.after(random.int(300, 8_000), () => {
      if (!goOn()) return
      void this.#one()
      this.act(goOn)
    })
  }

  async #one(): Promise<void> {
    const { random, dags } = this.#world
    const action = random.pick([
      'trigger',
      'trigger',
      'cancel',
      'cancelTask',
      'clear',
      'clear',
      'mark',
      'approve',
      'pause',
      'backfill',
      'mute',
    ] as const)
    if (action === 'trigger') return this.#trigger(random.pick(dags()))
    if (action === 'pause') return this.#pauseAndResume(random.pick(dags()))
    if (action === 'backfill') return this.#backfill(random.pick(dags()))
    if (action === 'approve') return this.#approve()
    if (action === 'mute') return this.#mute(random.pick(dags()))
    const runs = this.#world.runs()
    if (runs.length === 0) return
    const run = random.pick(runs)
    const tasks = random.some(run.tasks, 0.4)
    if (action === 'cancel') return this.#try(`cancel ${run.id}`, () => this.#commands.cancel(run.id, ANA))
    if (action === 'cancelTask') {
      const task = random.pick(run.tasks)
      return this.#try(`cancel ${run.id}/${task}`, () => this.#commands.cancelTask(run.id, task, ANA))
    }
    if (action === 'clear') return this.#clear(run.id, tasks)
    return this.#mark(run.id, tasks, random.pick(['success', 'failed', 'skipped'] as const))
  }

  /** At times they think better of it, and mark what they have just cleared. */
  async #clear(runId: string, tasks: string[]): Promise<void> {
    const { random } = this.#world
    const options = { downstream: random.chance(0.5), failedOnly: random.chance(0.3) }
    const which = random.chance(0.2) ? null : tasks
    await this.#changes(runId, `clear ${which}`, async () => {
      return (await this.#commands.clear(runId, which, options, ANA)).cleared
    })
    if (random.chance(0.25)) await this.#mark(runId, random.some(tasks, 0.7), 'success')
  }

  #mark(runId: string, tasks: string[], state: MarkedState): Promise<void> {
    return this.#changes(runId, `mark ${tasks} ${state}`, async () => {
      return (await this.#commands.mark(runId, tasks, state, ANA)).marked
    })
  }

  /** a command that says which tasks it has changed: they must have been, by then */
  #changes(runId: string, what: string, command: () => Promise<string[]>): Promise<void> {
    const verify = this.#world.acknowledged.begin(runId)
    return this.#try(`${what} of ${runId}`, async () => {
      const tasks = await command()
      verify(tasks, what)
      return tasks
    })
  }

  /** Two at once at times, and of opposite opinions: one of them decides. */
  async #approve(): Promise<void> {
    const { random, asked } = this.#world
    const [first] = asked()
    if (first === undefined) return
    const { runId, taskId } = first
    const decide = (approved: boolean) =>
      this.#changes(runId, `approve ${taskId} ${approved}`, async () => {
        const actor = { ...ANA, role: 'operator' } as const
        await this.#commands.approve(runId, taskId, { approved, comment: '' }, actor)
        return [taskId]
      })
    const approved = random.chance(0.7)
    if (random.chance(0.5)) return decide(approved)
    await Promise.all([decide(approved), decide(!approved)])
  }

  async #trigger(dagId: string): Promise<void> {
    const { random } = this.#world
    this.#keys += 1
    const key = random.chance(0.6) ? `key-${this.#keys}` : null
    const options = { params: {}, interval: null, onlyTasks: null, noChecks: false }
    const once = () => this.#try(`trigger ${dagId} ${key}`, () => this.#commands.trigger(dagId, options, ANA, key))
    if (random.chance(0.5)) return once()
    await Promise.all([once(), once()])
  }

  async #pauseAndResume(dagId: string): Promise<void> {
    const { host, random, paused } = this.#world
    const skipMissed = random.chance(0.2)
    if (skipMissed) paused(dagId)
    await this.#try(`pause ${dagId}`, () => this.#commands.pause(dagId, 'a test', ANA))
    await host.sleep(random.int(1_000, 60_000))
    await this.#try(`resume ${dagId}`, () => this.#commands.resume(dagId, ANA, { skipMissed }))
  }

  /** For a while, the whole DAG or a task that it may have; at times it is ended before. */
  async #mute(dagId: string): Promise<void> {
    const { host, random, wake } = this.#world
    const taskId = random.chance(0.7) ? null : `t${random.int(0, 3)}`
    const until = wake.now() + random.int(2_000, 60_000)
    const request = { dagId, taskId, until, reason: 'a test' }
    await this.#try(`mute ${dagId} ${taskId} until ${until}`, () => this.#commands.muteAlerts(request, ANA))
    if (random.chance(0.6)) return
    await host.sleep(random.int(0, 30_000))
    const id = random.int(1, 4)
    await this.#try(`unmute ${id}`, () => this.#commands.endMute(id, ANA))
  }

  /** Marks what failed in a run that later ones depend on: they would wait for ever. */
  async release(runId: string, tasks: string[]): Promise<void> {
    await this.#try(`mark ${tasks} of ${runId}`, () => this.#commands.mark(runId, tasks, 'success', ANA))
  }

  /** Starts one, or does something to one there is. */
  async #backfill(dagId: string): Promise<void> {
    const { random, wake } = this.#world
    const action = random.pick(['start', 'start', 'pauseBackfill', 'resumeBackfill', 'cancelBackfill'] as const)
    if (action !== 'start') {
      const id = random.int(1, 3)
      return this.#try(`${action} ${id}`, () => this.#commands[action](id, ANA))
    }
    const to = wake.now() - random.int(0, 120_000)
    const request = {
      from: to - random.int(60_000, 400_000),
      to,
      which: random.pick(BACKFILL_CHOICES),
      reverse: random.chance(0.3),
      maxActive: random.pick([null, 1, 2]),
    }
    return this.#try(`backfill ${dagId} ${request.which}`, () => this.#commands.startBackfill(dagId, request, ANA))
  }

  /** A refusal and a store that does not answer are part of life; anything else is a defect. */
  async #try(what: string, command: () => Promise<unknown>): Promise<void> {
    const { history, host } = this.#world
    history.record(host.name, what)
    try {
      history.record(host.name, `${what} -> ${JSON.stringify(await command())}`)
    } catch (error) {
      history.record(host.name, `${what} -> ${messageOf(error)}`)
      if (!isSluiceError(error)) history.violated('no defects', `${what} threw ${messageOf(error)}`)
    }
  }
}
