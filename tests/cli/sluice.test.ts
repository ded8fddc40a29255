import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../../cli/commands.js'
import { processEntry } from '../../package-root.js'
import { sluice } from './sluice-process.js'

const version = (JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version

/** They print that they are ready and what they log: no data. */
const LOGGING = ['scheduler', 'worker', 'webserver']

describe('the program', () => {
  it('tells its version', async () => {
    expect(await sluice(['version', '--json'])).toEqual({
      code: 0,
      stdout: `${JSON.stringify({ version, node: process.versions.node }, null, 2)}\n`,
      stderr: '',
    })
    expect((await sluice(['--version'])).stdout).toContain(`sluice ${version}`)
    expect(await sluice(['version', '--project', tmpdir()])).toMatchObject({ code: 0, stderr: '' })
  })

  it('lists every command', async () => {
    const { code, stdout } = await sluice(['help'])
    expect(code).toBe(0)
    for (const { name, summary } of COMMANDS)
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +${summary.slice(0, 10)}`, 'm'))
  })

  it.each(COMMANDS)('$name takes --project, and --json where it prints data', async (entry) => {
    const command = new Command(entry.name)
    const { declare } = await entry.load()
    declare(command)
    // a command that does nothing but hold others has no options
    const all = [command, ...command.commands].filter((one) => one.commands.length === 0 || one.options.length > 0)
    const options = (one: Command) => one.options.map(({ long }) => long)
    expect(all.filter((one) => !options(one).includes('--project')).map((one) => one.name())).toEqual([])
    const silent = all.filter((one) => !options(one).includes('--json')).map((one) => one.name())
    expect(silent).toEqual(LOGGING.includes(entry.name) ? [entry.name] : [])
  })

  it('explains one command', async () => {
    const { code, stdout } = await sluice(['help', 'run'])
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: sluice run [options] <dag>')
  })

  it.each([
    [[], 'Usage: sluice'],
    [['rnus'], 'Did you mean runs?'],
    [['runs', '--limit', '0'], 'It must be a whole number of at least 1.'],
    [['runs', '--nonsense'], "unknown option '--nonsense'"],
    [['trigger'], "missing required argument 'dag'"],
    [['trigger', 'sales', '--interval', '2026'], 'START before END'],
    [['mark', 'r', 't', '--state', 'running'], 'Allowed choices are success, failed, skipped.'],
  ])('ends with 2 when used wrong: %j', async (args, message) => {
    const { code, stdout, stderr } = await sluice(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(message)
  })

  it('ends with 3 when nothing runs, with a hint and no stack', async () => {
    const { code, stdout, stderr } = await sluice(['runs', '--project', tmpdir()])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toBe(
      `error: No Sluice runs on the project ${tmpdir()}.\nhint: Start it with \`sluice up\`, or set SLUICE_URL and SLUICE_TOKEN.\n`,
    )
  })

  it('shows the stack when asked', async () => {
    const { stderr } = await sluice(['runs', '--debug', '--project', tmpdir()])
    expect(stderr).toContain('code: NOT_RUNNING')
    expect(stderr).toMatch(/^ {4}at /m)
  })
})

describe('on an old Node', () => {
  it('says what to do, before anything else is loaded', async () => {
    const old = `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'18.19.1'}})`
    const { code, stdout, stderr } = await sluice(['up'], {}, ['--import', old])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toBe(
      'error: Sluice needs Node 20.20 or newer; this is Node 18.19.1.\nhint: Install Node 20.20 or newer from https://nodejs.org and run the command again.\n',
    )
  })

  it('can be read by it: no import before the check, nothing newer than ES2018', () => {
    const text = readFileSync(processEntry('cli/sluice.js'), 'utf8').replace(/^#!.*|^\s*\/\/.*$/gm, '')
    expect(text).not.toMatch(/^\s*import\s+[^(]/m)
    expect(text).not.toMatch(/\?\?|\?\.|#|\bawait\b|\|\|=|&&=|\bstatic\b|\d_\d/)
    expect(text).toContain("import('./main.js')")
  })
})
