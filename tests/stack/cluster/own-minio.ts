import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PACKAGE_ROOT } from '../../../package-root.js'
import { eventually } from '../../e2e/eventually.js'
import { sourceText } from '../../source-files.js'
import type { ComposeServices } from '../compose-services.js'
import { goTool, MINIO_CLIENT } from '../go-tool.js'
import { stackHome } from '../stack-home.js'
import { guardOf } from './guard.js'
import { freePort } from './own-redis.js'

/** A MinIO of the test's own, with the buckets, users and policies that compose.yaml's `minio-setup` makes. */
export class OwnMinio {
  private constructor(
    readonly address: string,
    private readonly child: ChildProcess,
    private readonly guard: ChildProcess,
    private readonly folder: string,
  ) {}

  /** Afterwards `minio:9000` has an address of this machine in `compose`. */
  static async start(compose: ComposeServices): Promise<OwnMinio> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-minio-'))
    const address = `127.0.0.1:${await freePort()}`
    const args = ['server', '--quiet', '--address', address, join(folder, 'data')]
    const env = { PATH: process.env.PATH, HOME: folder, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' }
    const child = spawn(join(stackHome(), 'bin/minio'), args, {
      env: { ...env, ...compose.environment('minio') },
      stdio: 'ignore',
      detached: true,
    })
    await once(child, 'spawn')
    const minio = new OwnMinio(address, child, guardOf(Number(child.pid)), folder)
    try {
      await eventually(20_000, async () => {
        const answer = await fetch(`http://${address}/minio/health/ready`).catch(() => null)
        return answer?.ok === true ? answer : null
      })
      compose.addresses.set('minio:9000', address)
      minio.#setUp(compose)
      return minio
    } catch (error) {
      await minio.remove()
      throw error
    }
  }

  /** `docker/minio/setup.sh`, with the address of this MinIO and the folder that is mounted at `/setup`. */
  #setUp(compose: ComposeServices): void {
    const [mounted, bin] = [join(this.folder, 'setup'), join(this.folder, 'bin')]
    mkdirSync(bin)
    symlinkSync(goTool(MINIO_CLIENT), join(bin, 'mc'))
    cpSync(join(PACKAGE_ROOT, 'docker/minio'), mounted, { recursive: true })
    const script = compose.here(sourceText('docker/minio/setup.sh')).replaceAll('/setup/', `${mounted}/`)
    writeFileSync(join(mounted, 'setup.sh'), script)
    const env = { PATH: `${bin}:${process.env.PATH}`, HOME: this.folder, ...compose.environment('minio-setup') }
    // the second time is `up` on volumes that are there
    for (let times = 0; times < 2; times++) execFileSync('sh', [join(mounted, 'setup.sh')], { env, stdio: 'pipe' })
  }

  async remove(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, 'exit')
      this.child.kill('SIGKILL')
      await exit
    }
    this.guard.kill('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }
}
