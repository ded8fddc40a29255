import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { eventually } from '../../e2e/eventually.js'
import { freePort } from './own-redis.js'
import { processTree, signalAll } from './process-tree.js'

/** A PostgreSQL of the test's own, to be killed and started again. */
export class OwnPostgres {
  readonly #folder: string
  #child: ChildProcess | null = null

  private constructor(
    readonly port: number,
    readonly user: string,
    folder: string,
  ) {
    this.#folder = folder
  }

  /** @param password of the superuser; everybody else needs one then too, and nobody does by default */
  static async start(user = 'sluice', password: string | null = null): Promise<OwnPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-postgres-'))
    const postgres = new OwnPostgres(await freePort(), user, folder)
    const passwords = join(folder, 'password')
    if (password !== null) writeFileSync(passwords, password, { mode: 0o600 })
    const auth = password === null ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${passwords}`]
    run('initdb', ['-D', postgres.#data, '-U', user, ...auth, '--encoding=UTF8', '--no-sync'])
    await postgres.up()
    return postgres
  }

  get url(): string {
    return `postgres://${this.user}@127.0.0.1:${this.port}/postgres`
  }

  get #data(): string {
    return join(this.#folder, 'data')
  }

  async up(): Promise<void> {
    const [program, args] = asUser('postgres', [
      ...['-D', this.#data, '-h', '127.0.0.1', '-p', String(this.port)],
      ...['-c', 'unix_socket_directories=', '-c', 'max_connections=200'],
    ])
    this.#child = spawn(program, args, { stdio: 'ignore' })
    await eventually(20_000, async () => {
      try {
        execFileSync(binary('pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(this.port), '-d', 'postgres'])
        return true
      } catch {
        return null
      }
    })
  }

  /**
   * Ends every connection and comes back.
   * @param how `crashed`: at once, so that nothing is written that was not on the disk; it recovers from its log
   */
  async restart(how: 'stopped' | 'crashed' = 'stopped'): Promise<void> {
    await this.down(how)
    await this.up()
  }

  /** Ends every connection, and refuses new ones until it is up again. */
  async down(how: 'stopped' | 'crashed' = 'stopped'): Promise<void> {
    await this.#end(how === 'stopped' ? 'SIGINT' : 'SIGQUIT')
  }

  /** Neither answers nor ends a connection, as when its machine has lost its power or the network between is cut. */
  freeze(): void {
    this.#signalAll('SIGSTOP')
  }

  thaw(): void {
    this.#signalAll('SIGCONT')
  }

  async remove(): Promise<void> {
    this.thaw()
    await this.#end('SIGQUIT')
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #signalAll(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid
    if (pid !== undefined) signalAll(processTree(pid), signal)
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    const exit = once(child, 'exit')
    child.kill(signal)
    await exit
  }
}

function binary(name: string): string {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  return join('/usr/lib/postgresql', versions[0] ?? '', 'bin', name)
}

/** PostgreSQL refuses to run as root; a user namespace gives it another id while the files stay ours. */
function asUser(name: string, args: string[]): [program: string, args: string[]] {
  if (userInfo().uid !== 0) return [binary(name), args]
  const id = (flag: string) => execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }).trim()
  return ['unshare', ['--user', `--map-user=${id('-u')}`, `--map-group=${id('-g')}`, binary(name), ...args]]
}

function run(name: string, args: string[]): void {
  const [program, all] = asUser(name, args)
  execFileSync(program, all, { stdio: 'ignore' })
}
