import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../../package-root.js'
import { eventually } from '../../e2e/eventually.js'
import { stackHome } from '../stack-home.js'
import { guardOf } from './guard.js'
import { freePort } from './own-redis.js'

/** A JVM that unpacks and links all of Trino's plugins, on a machine that may have other things to do. */
const START_MS = 180_000
/** Trino 476 starts on no older Java. */
const OLDEST_JAVA = 24

/** A Trino of the test's own: the stack's installation with the repository's `trino/` as its configuration. */
export class OwnTrino {
  private constructor(
    readonly address: string,
    private readonly server: ChildProcess,
    private readonly guard: ChildProcess,
    private readonly folder: string,
  ) {}

  /**
   * Other than in the container are the port and the folder of its data, and nothing else but what is told.
   * @param environment every variable that the server sees, besides those that Java is found by
   * @param other.catalogs a folder with the catalogs in place of the repository's own
   * @param other.properties more of `config.properties`
   * @throws when it ends instead of answering, with what it has said of errors
   */
  static async start(
    environment: Record<string, string>,
    other: { catalogs?: string; properties?: Record<string, string> } = {},
  ): Promise<OwnTrino> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-own-trino-'))
    const port = await freePort()
    const etc = join(folder, 'etc')
    cpSync(join(PACKAGE_ROOT, 'trino'), etc, { recursive: true })
    replaceIn(join(etc, 'config.properties'), '8080', String(port))
    const properties = Object.entries(other.properties ?? {}).map(([name, value]) => `${name}=${value}\n`)
    appendFileSync(join(etc, 'config.properties'), `\n${properties.join('')}`)
    if (other.catalogs !== undefined) {
      rmSync(join(etc, 'catalog'), { recursive: true })
      cpSync(other.catalogs, join(etc, 'catalog'), { recursive: true })
    }
    replaceIn(join(etc, 'node.properties'), '/data/trino', join(folder, 'data'))
    const java = javaHome()
    const log = openSync(join(folder, 'log'), 'w')
    // as the image starts it, which adds an id where the file has none
    const args = ['run', '--etc-dir', etc, '-Dnode.id=own']
    const server = spawn(join(stackHome(), 'trino/bin/launcher'), args, {
      env: { PATH: `${join(java, 'bin')}:${process.env.PATH}`, JAVA_HOME: java, ...environment },
      stdio: ['ignore', log, log],
      detached: true,
    })
    await once(server, 'spawn')
    const trino = new OwnTrino(`127.0.0.1:${port}`, server, guardOf(Number(server.pid)), folder)
    try {
      await eventually(START_MS, () => trino.#answers())
      return trino
    } catch (error) {
      const said = trino.#errors()
      await trino.remove()
      throw new Error(`Trino did not start:\n${said}`, { cause: error })
    }
  }

  /** One over the services of the stack, with the stack's catalogs, which differs from the stack's own by these properties. */
  static startBeside(properties: Record<string, string>): Promise<OwnTrino> {
    const named = Object.entries(process.env).filter(([name]) => /^(S3|AWS|LAKE|PG|ICEBERG)_?/.test(name))
    const environment = Object.fromEntries(named.map(([name, value]) => [name, value ?? '']))
    return OwnTrino.start(environment, { catalogs: join(stackHome(), 'etc/trino/catalog'), properties })
  }

  get url(): string {
    return `http://${this.address}`
  }

  async remove(): Promise<void> {
    if (!this.#ended) {
      const exit = once(this.server, 'exit')
      // the group: the launcher and Java, whichever is whose child
      process.kill(-Number(this.server.pid), 'SIGKILL')
      await exit
    }
    this.guard.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #ended(): boolean {
    return this.server.exitCode !== null || this.server.signalCode !== null
  }

  async #answers(): Promise<true | null> {
    if (this.#ended) throw new Error(`it has ended with ${this.server.exitCode ?? this.server.signalCode}`)
    const answer = await fetch(`${this.url}/v1/info`).catch(() => null)
    if (answer?.ok !== true) return null
    return ((await answer.json()) as { starting: boolean }).starting ? null : true
  }

  #errors(): string {
    const lines = readFileSync(join(this.folder, 'log'), 'utf8').split('\n')
    const errors = lines.filter((line) => /\bERROR\b|\bError\b|^\d+\) /.test(line))
    return (errors.length > 0 ? errors : lines.slice(-20)).slice(0, 20).join('\n')
  }
}

function replaceIn(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8')
  if (!text.includes(from)) throw new Error(`${path} says nothing of ${from}`)
  writeFileSync(path, text.replaceAll(from, to))
}

function javaHome(): string {
  const homes = readdirSync('/usr/lib/jvm', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of homes) {
    const home = join('/usr/lib/jvm', name)
    const [, version] = /^JAVA_VERSION="(\d+)/m.exec(releaseOf(home)) ?? []
    if (Number(version) >= OLDEST_JAVA) return home
  }
  throw new Error(`Trino needs a JDK of version ${OLDEST_JAVA} or newer in /usr/lib/jvm`)
}

function releaseOf(home: string): string {
  try {
    return readFileSync(join(home, 'release'), 'utf8')
  } catch {
    return ''
  }
}
