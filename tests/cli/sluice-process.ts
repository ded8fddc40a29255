import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { processEntry } from '../../package-root.js'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs the built command line to its end. Colours and a running Sluice of the caller's are kept out. */
export async function sluice(
  args: readonly string[],
  env: Record<string, string> = {},
  node: string[] = [],
): Promise<Ended> {
  const { SLUICE_URL: _url, SLUICE_TOKEN: _token, FORCE_COLOR: _colour, ...inherited } = process.env
  const child = spawn(process.execPath, [...node, processEntry('cli/sluice.js'), ...args], {
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout, stderr }
}
