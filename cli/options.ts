import { resolve } from 'node:path'
import { type Command, InvalidArgumentError, Option } from 'commander'

/** What every command understands. */
export interface CommonOptions {
  project: string
}

export interface JsonOption {
  json?: boolean
}

/** Adds --project, as an absolute path; the working folder unless given. */
export function projectOption(command: Command): Command {
  return command.addOption(
    new Option('--project <dir>', 'where sluice.yaml is')
      .default(process.cwd(), 'here')
      .argParser((text: string) => resolve(text)),
  )
}

/** Adds --json: the answer alone on stdout, in the shapes of scheduler/shapes.ts. */
export function jsonOption(command: Command): Command {
  return command.option('--json', 'print JSON')
}

/** A whole number of at least `least`, for commander. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`)
    return value
  }
}

/** For options that may be given several times. */
export function collect(value: string, previous: string[]): string[] {
  return [...previous, value]
}
