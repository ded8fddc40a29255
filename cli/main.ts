import { Command, CommanderError } from 'commander'
import { SluiceError } from '../errors.js'
import { COMMANDS, type CommandEntry } from './commands.js'
import { reportError } from './output/report-error.js'
import { terminal } from './output/terminal.js'

/**
 * Runs one command and sets the exit code (docs/ERRORS.md): 0 done, 1 the thing itself failed, 2 wrong use, 3 cannot reach
 * what it needs. Never throws. Only the command that is named gets loaded.
 * @param argv what follows `sluice`
 */
export async function main(argv: readonly string[]): Promise<void> {
  endQuietlyWhenReaderLeaves()
  const debug = argv.includes('--debug')
  const words = argv.filter((word) => word !== '--debug')
  if (words[0] === '--version' || words[0] === '-V') words[0] = 'version'
  try {
    const program = await programFor(words)
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    process.exitCode = exitCodeOf(error)
    if (!(error instanceof CommanderError)) reportError(error, terminal(), debug)
  }
}

async function programFor(argv: readonly string[]): Promise<Command> {
  const program = configured(new Command('sluice'))
    .description('Sluice schedules DAGs for lakehouses. `sluice help COMMAND` explains one command.')
    .usage('COMMAND [options]')
    .helpCommand('help [command]', 'explain a command')
  const named = argv[0] === 'help' ? argv[1] : argv[0]
  for (const entry of COMMANDS) {
    const command = configured(program.command(entry.name)).description(entry.summary)
    if (entry.name === named) await declare(command, entry)
  }
  return program
}

async function declare(command: Command, entry: CommandEntry): Promise<void> {
  const { declare } = await entry.load()
  declare(command)
  command.addHelpText('after', '\nWith --debug an error shows where it comes from.')
}

/** Makes commander throw instead of exiting, and speak as Sluice does. */
function configured(command: Command): Command {
  return command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      outputError: (text, write) => write(`${text}hint: ${wrongUseHint(command)}\n`),
    })
}

function wrongUseHint(command: Command): string {
  const name = command.parent === null ? '' : ` ${command.name()}`
  return `See \`sluice help${name}\`.`
}

function exitCodeOf(error: unknown): number {
  if (error instanceof SluiceError) return error.exitCode
  if (!(error instanceof CommanderError)) return 1
  const asked = ['commander.help', 'commander.helpDisplayed', 'commander.version']
  return asked.includes(error.code) && error.exitCode === 0 ? 0 : 2
}

/** `sluice runs | head` is no error: once the reader has gone there is nobody left to write for. */
function endQuietlyWhenReaderLeaves(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0)
    throw error
  })
}
