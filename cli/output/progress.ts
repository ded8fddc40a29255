import type { RunListEntry, TaskShape } from '../../scheduler/shapes.js'
import { formatTasks, outcomeOf } from './run-tables.js'
import { stateWord } from './states.js'
import { harmless, paint } from './style.js'
import type { Terminal } from './terminal.js'

/** Shows a run while it lasts. */
export interface Progress {
  task(task: TaskShape): void
  run(run: RunListEntry): void
  /** leaves the screen as it is to stay */
  end(): void
}

/** Steps on the way to a slot, which a log of the run need not tell. */
const QUIET_STATES = new Set(['none', 'scheduled', 'queued'])
const REDRAW_MS = 100
const ESCAPE = '\u001b'
/** Lines kept free for the prompt and the summary. */
const SPARE_LINES = 4

/** Redrawn in place for people; a line per change for programs. */
export function progressOf(tasks: readonly TaskShape[], out: Terminal, rows: number): Progress {
  return out.live ? new LiveProgress(tasks, out, Math.max(5, rows - SPARE_LINES)) : new PlainProgress(tasks, out)
}

class PlainProgress implements Progress {
  readonly #states = new Map<string, string>()

  constructor(
    tasks: readonly TaskShape[],
    readonly out: Terminal,
  ) {
    for (const task of tasks) if (task.state !== 'none') this.task(task)
  }

  task(task: TaskShape): void {
    const change = `${task.state} ${task.attempt}`
    if (this.#states.get(task.task) === change) return
    this.#states.set(task.task, change)
    if (QUIET_STATES.has(task.state)) return
    const outcome = harmless(outcomeOf(task))
    const words = [task.task, stateWord(task.state, this.out.coloured), ...(outcome === '' ? [] : [outcome])]
    this.out.print(`${new Date().toISOString().slice(11, 19)} ${words.join('  ')}`)
  }

  run(): void {}

  end(): void {}
}

class LiveProgress implements Progress {
  readonly #tasks = new Map<string, TaskShape>()
  readonly #timer: NodeJS.Timeout
  #drawn = 0
  #changed = true
  #ticks = 0

  constructor(
    tasks: readonly TaskShape[],
    readonly out: Terminal,
    readonly rows: number,
  ) {
    for (const task of tasks) this.#tasks.set(task.task, task)
    this.#draw()
    this.#timer = setInterval(() => {
      // what lasts is redrawn each second for its duration, what changes at once
      if (this.#changed || ++this.#ticks % 10 === 0) this.#draw()
    }, REDRAW_MS)
  }

  task(task: TaskShape): void {
    this.#tasks.set(task.task, task)
    this.#changed = true
  }

  run(): void {
    this.#changed = true
  }

  end(): void {
    clearInterval(this.#timer)
    this.#erase()
  }

  #draw(): void {
    this.#changed = false
    const lines = formatTasks(this.#shown(), Date.now(), this.out).split('\n')
    const left = this.#tasks.size - (lines.length - 1)
    if (left > 0) lines.push(paint(`… and ${left} more tasks`, 'grey', this.out.coloured))
    this.#erase()
    this.out.print(lines.map((line) => this.#cut(line)).join('\n'))
    this.#drawn = lines.length
  }

  /** What moves and what went wrong comes first when there is no room for all. */
  #shown(): TaskShape[] {
    const tasks = [...this.#tasks.values()]
    if (tasks.length <= this.rows) return tasks
    const quiet = new Set(['none', 'success', 'skipped'])
    const kept = [...tasks.filter((task) => !quiet.has(task.state)), ...tasks.filter((task) => quiet.has(task.state))]
    return kept.slice(0, this.rows - 1)
  }

  /** A line that wrapped would count as two, and the next redraw would leave half of it behind. */
  #cut(line: string): string {
    let left = this.out.width - 1
    let cut = ''
    for (const part of line.split(new RegExp(`(${ESCAPE}\\[[0-9;]*m)`))) {
      const text = part.startsWith(ESCAPE) ? part : [...part].slice(0, left).join('')
      if (!part.startsWith(ESCAPE)) left -= [...text].length
      cut += text
    }
    return cut
  }

  #erase(): void {
    if (this.#drawn > 0) process.stdout.write(`${ESCAPE}[${this.#drawn}A${ESCAPE}[0J`)
    this.#drawn = 0
  }
}
