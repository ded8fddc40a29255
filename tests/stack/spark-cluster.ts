import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { sparkClass } from './spark-services.js'

/** Writes `started`, waits for `go`, and ends with the exit code it is given: an application that needs no Spark. */
const JOB = `
import java.nio.file.*;
public class Job {
  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    Files.writeString(folder.resolve("started-" + System.nanoTime()), System.getProperty("spark.sluice.token", ""));
    while (!Files.exists(folder.resolve("go"))) Thread.sleep(50);
    System.exit(Integer.parseInt(args[1]));
  }
}
`

/** A standalone cluster of one master and one worker on free ports. */
export class SparkCluster {
  readonly #daemons: ChildProcess[] = []
  master = ''
  submissionUrl = ''

  async start(folder: string): Promise<void> {
    const [port, rest] = [await freePort(), await freePort()]
    this.master = `spark://127.0.0.1:${port}`
    this.submissionUrl = `http://127.0.0.1:${rest}`
    const env = {
      ...process.env,
      SPARK_DAEMON_MEMORY: '256m',
      SPARK_MASTER_OPTS: `-Dspark.master.rest.enabled=true -Dspark.master.rest.port=${rest}`,
      SPARK_WORKER_DIR: join(folder, 'spark-work'),
      SPARK_LOCAL_IP: '127.0.0.1',
    }
    const own = ['--host', '127.0.0.1', '--webui-port', '0']
    this.#daemon(['org.apache.spark.deploy.master.Master', ...own, '--port', String(port)], env)
    await until(
      'the master answers',
      async () => (await fetch(`${this.submissionUrl}/v1/submissions/status/x`)) !== null,
    )
    const worker = ['org.apache.spark.deploy.worker.Worker', ...own, '--cores', '2', '--memory', '2g', this.master]
    this.#daemon(worker, env)
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#daemons.map((daemon) => {
        const ended = new Promise((resolve) => daemon.once('exit', resolve))
        daemon.kill('SIGKILL')
        return ended
      }),
    )
  }

  #daemon(args: string[], env: NodeJS.ProcessEnv): void {
    this.#daemons.push(spawn(sparkClass(), args, { env, stdio: 'ignore' }))
  }
}

/** A jar whose main class is `Job`; needs a JDK. */
export function jobJar(folder: string): string {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'Job.java'), JOB)
  execFileSync('javac', ['Job.java'], { cwd: folder })
  execFileSync('jar', ['--create', '--file', 'job.jar', 'Job.class'], { cwd: folder })
  return join(folder, 'job.jar')
}

/** Polls what may fail until it holds; fails after three minutes. */
export async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 180_000
  for (;;) {
    if (await holds().catch(() => false)) return
    if (performance.now() > deadline) throw new Error(`not within three minutes: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => (address !== null && typeof address === 'object' ? resolve(address.port) : reject(address)))
    })
  })
}
