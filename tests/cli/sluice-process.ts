import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { processEntry } from '../../package-root.js'

export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

export interface Started {
  child: ChildProcess
  ended: Promise<Ended>
}

/** Starts the built command line. Colours and a running Sluice of the caller's are kept out. */
export function startSluice(args: readonly string[], env: Record<string, string> = {}, node: string[] = []): Started {
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
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }))
  return { child, ended }
}

/** Runs the built command line to its end. */
export function sluice(args: readonly string[], env: Record<string, string> = {}, node: string[] = []): Promise<Ended> {
  return startSluice(args, env, node).ended
}
