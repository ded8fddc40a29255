import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/** Each runs a command if bash reads any part of it: in one kind of quotes, behind the end of them, or as an expression. */
export const HARMFUL = [
  ': > harm',
  '$(: > harm)',
  '`: > harm`',
  "'; : > harm; '",
  "'\n: > harm\n'",
  '"; : > harm; "',
  '"$(: > harm)"',
  ')\n: > harm\n(',
  '}"; : > harm; #',
  '\n: > harm\n',
  'E\n: > harm\n',
  '\nE\n: > harm\n',
  '\n!\n: > harm\n',
  ';; esac; : > harm; case x in x)',
  'a[$(: > harm)]',
  '1 + a[$(: > harm)]',
  'a[$(: > harm)]=1',
  '[$(: > harm)]=1',
  '($(: > harm))',
  '-va[$(: > harm)]',
  "'\\''; : > harm; \\'",
  '\\',
  "it's",
  'ünïcode\u00a0\u2028\t\r\n',
]

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-places-'))
})

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a script as the operator does; `seen` keeps its arguments. No programs: what it could start is bash alone. */
export function run(script: string): { seen: string[]; harmed: boolean } {
  for (const name of ['seen', 'harm']) rmSync(join(folder, name), { force: true })
  const seen = `seen() { printf '%s\\0' "$@" >> ${JSON.stringify(join(folder, 'seen'))}; }\n`
  const argv = ['--noprofile', '--norc', '-e', '-o', 'pipefail', '-c', seen + script]
  spawnSync('/bin/bash', argv, { cwd: folder, env: { PATH: '/nowhere' }, stdio: 'ignore', timeout: 10_000 })
  const kept = join(folder, 'seen')
  return {
    seen: existsSync(kept) ? readFileSync(kept, 'utf8').split('\0').slice(0, -1) : [],
    harmed: existsSync(join(folder, 'harm')),
  }
}
