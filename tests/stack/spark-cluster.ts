import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './cluster/own-redis.js'
import { sparkClass, sparkHome } from './spark-services.js'

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

/** Appends 1,000 rows to a Delta table in four tasks and a shuffle, waits for `go`, and counts some more. */
const WORK = `
import java.nio.file.*;
import org.apache.spark.sql.SparkSession;
public class Work {
  public static void main(String[] args) throws Exception {
    Path folder = Path.of(args[0]);
    SparkSession spark = SparkSession.builder().appName("a name of its own").getOrCreate();
    String token = spark.conf().get("spark.sluice.token");
    spark.range(0, 1000, 1, 4).selectExpr("id AS n").repartition(2).write().format("delta").mode("append")
      .option("txnAppId", token).option("txnVersion", 1).save(args[1]);
    Files.writeString(folder.resolve("started-" + System.nanoTime()), token);
    while (!Files.exists(folder.resolve("go"))) Thread.sleep(50);
    spark.range(0, 10, 1, 3).count();
    spark.stop();
  }
}
`

/** Says something on both streams, waits for `go`, and ends as it is told, with more words than a page of a log holds. */
const TALK = `
import java.nio.file.*;
import java.util.*;
public class Talk {
  public static void main(String[] args) throws Exception {
    System.err.println("to stderr");
    System.out.println("hello from the driver: Grüße");
    while (!Files.exists(Path.of(args[0], "go"))) Thread.sleep(50);
    if (args[1].equals("raises")) throw new IllegalStateException("no rows");
    List<long[]> kept = new ArrayList<>();
    while (args[1].equals("fills")) kept.add(new long[1 << 20]);
    for (int n = 0; n < 50000; n++) System.out.println("line " + n);
    System.out.println("bye");
  }
}
`

interface MasterState {
  activeapps: { id: string; name: string }[]
  activedrivers: { id: string; cores: number }[]
  completeddrivers: { id: string }[]
}

/** A standalone cluster of one master and one worker on free ports. */
export class SparkCluster {
  readonly #daemons: ChildProcess[] = []
  master = ''
  submissionUrl = ''
  /** the master's web UI */
  webUrl = ''

  async start(folder: string): Promise<void> {
    const [port, rest, pages] = [await freePort(), await freePort(), await freePort()]
    this.master = `spark://127.0.0.1:${port}`
    this.submissionUrl = `http://127.0.0.1:${rest}`
    const env = {
      ...process.env,
      SPARK_DAEMON_MEMORY: '256m',
      SPARK_MASTER_OPTS: `-Dspark.master.rest.enabled=true -Dspark.master.rest.port=${rest}`,
      SPARK_WORKER_DIR: join(folder, 'spark-work'),
      SPARK_LOCAL_IP: '127.0.0.1',
    }
    this.webUrl = `http://127.0.0.1:${pages}`
    const own = ['--host', '127.0.0.1', '--webui-port']
    const master = ['org.apache.spark.deploy.master.Master', ...own, String(pages), '--port', String(port)]
    this.#daemon(master, env)
    await until(
      'the master answers',
      async () => (await fetch(`${this.submissionUrl}/v1/submissions/status/x`)) !== null,
    )
    const worker = ['org.apache.spark.deploy.worker.Worker', ...own, '0', '--cores', '3', '--memory', '3g', this.master]
    this.#daemon(worker, env)
  }

  /** What the master says is running, asked past Sluice. */
  async running(): Promise<string[]> {
    const { activeapps, activedrivers } = await this.#state()
    return [...activeapps, ...activedrivers].map(({ id }) => id)
  }

  /** What a driver that runs has been given, in the words of the master. */
  async coresOf(driver: string): Promise<number | undefined> {
    return (await this.#state()).activedrivers.find(({ id }) => id === driver)?.cores
  }

  /** Every driver that was ever submitted. */
  async drivers(): Promise<string[]> {
    const { activedrivers, completeddrivers } = await this.#state()
    return [...activedrivers, ...completeddrivers].map(({ id }) => id).sort()
  }

  async #state(): Promise<MasterState> {
    return (await (await fetch(`${this.webUrl}/json/`)).json()) as MasterState
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

/** A jar with the classes `Job`, `Talk` and `Work`. */
export function jobJar(folder: string): string {
  return jarOf(join(folder, 'job.jar'), { Job: JOB, Talk: TALK, Work: WORK })
}

/**
 * Compiles classes into a jar, in its folder; needs a JDK.
 * @param sources texts by the name of their class
 * @param jars what the classes need besides Spark
 */
export function jarOf(jar: string, sources: Record<string, string>, jars: readonly string[] = []): string {
  const folder = `${jar}-classes`
  mkdirSync(folder, { recursive: true })
  const files = Object.entries(sources).map(([name, text]) => {
    writeFileSync(join(folder, `${name}.java`), text)
    return `${name}.java`
  })
  // a class made for a newer Java than Spark's own would not load
  const options = ['--release', '17', '-classpath', [`${sparkHome()}/jars/*`, ...jars].join(':')]
  execFileSync('javac', [...options, ...files], { cwd: folder })
  const classes = readdirSync(folder).filter((name) => name.endsWith('.class'))
  execFileSync('jar', ['--create', '--file', jar, ...classes], { cwd: folder })
  return jar
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
