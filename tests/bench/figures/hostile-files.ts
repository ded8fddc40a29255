import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { operators } from '../../../operators/index.js'
import { DagFolder } from '../../../scheduler/dag/load-folder.js'
import { type Measurement, milliseconds } from '../figure.js'

const RANDOM_FILES = 200

/** Files that are not DAGs: each must be named as a problem within a second, and nothing may crash. */
export const hostileFiles: Measurement = {
  id: 'hostile-files',
  async run() {
    const project = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
    const dags = join(project, 'dags')
    await mkdir(dags)
    let slowest = 0
    let unnamed = 0
    const files = hostile()
    try {
      for (const [name, bytes] of files) {
        const file = join(dags, `${name}.yaml`)
        await writeFile(file, bytes)
        const started = performance.now()
        const reading = await new DagFolder({ project, dags, operators }).read()
        slowest = Math.max(slowest, performance.now() - started)
        if (!reading.problems.some((problem) => problem.severity === 'error')) unnamed++
        await rm(file)
      }
    } finally {
      await rm(project, { recursive: true, force: true })
    }
    return [
      {
        name: 'files that are not DAGs (fuzz, bombs, NULs, 50 MB)',
        bar: '0 crashes, named error within 1 s',
        measured: `0 crashes, ${unnamed} without an error, slowest ${milliseconds(slowest)}`,
        met: unnamed === 0 && slowest <= 1000,
        method: `${files.size} files, one reading of the folder each, in this process`,
      },
    ]
  },
}

function hostile(): Map<string, Uint8Array | string> {
  const files = new Map<string, Uint8Array | string>([
    ['huge', Buffer.alloc(50 * 2 ** 20, 'a: b\n')],
    ['nul', 'dag: x\0y\ntasks: {}\n'],
    ['deep_flow', `dag: x\ntasks: ${'['.repeat(100_000)}`],
    ['deep_flow_closed', `dag: x\ntasks: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['deep_block', Array.from({ length: 2000 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
    [
      'aliases',
      `a0: &a0 [x, x]\n${Array.from({ length: 40 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n')}`,
    ],
    ['not_utf8', Buffer.from([0x64, 0x61, 0x67, 0x3a, 0x20, 0xff, 0xfe, 0x0a])],
    ['two_documents', 'dag: x\n---\ndag: y\n'],
    ['tag', 'dag: !!js/function "function(){}"\n'],
    ['long_line', `dag: ${'x'.repeat(900_000)}\n`],
    ['empty', ''],
    ['many_keys', Array.from({ length: 50_000 }, (_, index) => `k${index}: 1`).join('\n')],
  ])
  for (let index = 0; index < RANDOM_FILES; index++)
    files.set(`random_${index}`, randomBytes(1 + ((index * 977) % 20_000)))
  return files
}
