import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, openSync, readSync, realpathSync, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'

const SHELL = '/bin/sh'
/** Adds no variable of its own to what it executes but those of `cd`; bash adds more. */
const FAITHFUL_SHELL = 'dash'
const ELF = Buffer.from([0x7f, 0x45, 0x4c, 0x46])
/** Goes into the socket at once, before anybody reads. */
const MAX_SCRIPT_BYTES = 64 * 1024
/** A shell that nobody needs for so long is sent away. */
const IDLE_MS = 60_000
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
/** Variables that the shell reads or sets itself: it may refuse a value, or change it. */
const OWN_VARIABLES = new Set(
  '_ ATTY ENV HISTSIZE IFS LINENO MAIL MAILPATH OLDPWD OPTARG OPTIND PPID PS1 PS2 PS4 PWD TERM'.split(' '),
)

export interface Start {
  cwd: string
  env: Readonly<Record<string, string>>
}

/**
 * A shell that waits to become a program. Forking a Node process of 100 MB takes 1 to 3 ms, in which it does nothing else;
 * here that is done before the program is known, so that its start costs a line to the shell and an `exec`. The shell has
 * the session, group and streams that the program will have, an empty environment, and ends when this process does, since
 * its input ends then. What is not as plain as can be (a script, an unusual variable, a folder that does not exist) is
 * refused here and started by Node, which says what is wrong.
 */
export class WaitingShell {
  #shell: ChildProcess | null = null
  #idle: NodeJS.Timeout | null = null
  /** a program was started that a shell could have become */
  #wanted = false

  /**
   * Has a shell wait for the next program, if one is likely to come. What goes wrong here goes wrong again, and is told,
   * when that program is started.
   */
  prepare(): void {
    if (this.#shell !== null || !this.#wanted || !hasShell()) return
    const shell = started()
    if (shell === null) return
    const gone = () => {
      if (this.#shell === shell) this.#forget()
    }
    shell.once('error', gone)
    shell.once('exit', gone)
    // one that has just been ended from outside; its program ends like one that was
    shell.stdin?.on('error', () => undefined)
    // what cannot be started for want of descriptors has no streams either, and says so by its event
    if (shell.pid === undefined) return
    this.#shell = shell
    this.#idle = setTimeout(() => this.dismiss(), IDLE_MS).unref()
  }

  get pid(): number | undefined {
    return this.#shell?.pid
  }

  /** The waiting shell as this program; null when it cannot be, and nothing has been started. */
  become(argv: readonly string[], start: Start): ChildProcess | null {
    const shell = this.#shell
    if (shell === null && this.#wanted) return null
    if (!isPlain(argv, start)) return null
    this.#wanted = true
    if (shell?.stdin == null) return null
    const script = scriptOf(argv, start)
    if (Buffer.byteLength(script) > MAX_SCRIPT_BYTES) return null
    this.#forget()
    shell.stdin.end(script)
    return shell
  }

  /** Sends the waiting shell away. */
  dismiss(): void {
    this.#shell?.stdin?.end()
    this.#wanted = false
    this.#forget()
  }

  #forget(): void {
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
    this.#shell = null
  }
}

/** null where the system is short of something: the program itself will say of what. */
function started(): ChildProcess | null {
  try {
    return spawn(SHELL, ['-s', 'waits-for-a-task'], {
      cwd: '/',
      env: {},
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
  } catch {
    return null
  }
}

let shellFound: boolean | null = null

function hasShell(): boolean {
  try {
    shellFound ??= basename(realpathSync(SHELL)) === FAITHFUL_SHELL
  } catch {
    shellFound = false
  }
  return shellFound
}

/** `exec` looks the program up in `PATH` as Node does, and gives it its name as it was written. */
function scriptOf(argv: readonly string[], { cwd, env }: Start): string {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`)
  return `cd -- ${quoted(cwd)}\nunset PWD OLDPWD\nexport ${variables.join(' ')}\nexec ${argv.map(quoted).join(' ')} </dev/null\n`
}

/** Nothing but its own end means anything within single quotes. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

function isPlain(argv: readonly string[], { cwd, env }: Start): boolean {
  const [program = ''] = argv
  if (program === '' || program.startsWith('-')) return false
  if (![cwd, ...argv, ...Object.values(env)].every((text) => !text.includes('\0'))) return false
  if (!cwd.startsWith('/') || !Object.keys(env).every(isPlainVariable)) return false
  const path = env.PATH
  if (path === undefined || statSync(cwd, { throwIfNoEntry: false })?.isDirectory() !== true) return false
  const places = program.includes('/') ? [program] : path.split(':').map((folder) => `${folder || '.'}/${program}`)
  const found = places.map((place) => resolve(cwd, place)).find(isFile)
  return found !== undefined && isExecutable(found)
}

function isPlainVariable(name: string): boolean {
  return VARIABLE.test(name) && !OWN_VARIABLES.has(name)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

/** A binary program: a script may name an interpreter that does not exist, which is Node's to say. */
function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    const file = openSync(path, 'r')
    try {
      const head = Buffer.alloc(ELF.length)
      return readSync(file, head) === ELF.length && head.equals(ELF)
    } finally {
      closeSync(file)
    }
  } catch {
    return false
  }
}
