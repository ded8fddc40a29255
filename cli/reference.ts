import { type Argument, Command, type Option } from 'commander'
import { COMMANDS } from './commands.js'

const HEAD = `# Commands

\`npx sluice COMMAND\` works in a checkout after \`npm ci\`. Every command takes \`--project DIR\`, the folder with \`sluice.yaml\` (by default the one you are
in), and \`--help\`; \`--debug\` shows where an error comes from. With \`--json\` the answer alone stands on stdout, as JSON. Exit codes: 0 done, 1 the thing itself
failed, 2 wrong use, 3 cannot reach what it needs ([Errors](../ERRORS.md)).

Commands that act on a running Sluice find the one of \`--project\`, or the one that \`SLUICE_URL\` and \`SLUICE_TOKEN\` name.`

const NOTE = '<!-- Made from the commands themselves: npx vitest run tests/cli/reference.test.ts -u -->'

/** What every command has, and the head of the page tells. */
const EVERYWHERE = new Set(['--project', '--help'])

/** The reference page of the command line in Markdown, made from what the commands declare. Loads all of them. */
export async function commandsPage(): Promise<string> {
  const sections: string[] = []
  for (const entry of COMMANDS) {
    const { declare } = await entry.load()
    const command = new Command(entry.name).description(entry.summary)
    declare(command)
    sections.push(...sectionsOf(command, `sluice ${entry.name}`, '##'))
  }
  return `${[HEAD, ...sections, NOTE].join('\n\n')}\n`
}

function sectionsOf(command: Command, words: string, heading: string): string[] {
  const args = command.registeredArguments
  const usage = [words, ...args.map(argumentWord)].join(' ')
  const rows = [...args.map(argumentRow), ...command.options.filter(isItsOwn).map(optionRow)]
  const table = rows.length === 0 ? [] : [['| | says | default |', '|---|---|---|', ...rows].join('\n')]
  const below = command.commands.flatMap((sub) => sectionsOf(sub, `${words} ${sub.name()}`, `${heading}#`))
  return [`${heading} \`${usage}\``, sentence(command.description()), ...table, ...below]
}

const isItsOwn = ({ long }: Option): boolean => !EVERYWHERE.has(long ?? '')

function argumentWord(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '…' : ''}`.toUpperCase()
  return argument.required ? name : `[${name}]`
}

function argumentRow(argument: Argument): string {
  return row(argument.name().toUpperCase(), argument.description, argument.argChoices, '')
}

function optionRow({
  flags,
  description,
  argChoices,
  mandatory,
  defaultValue,
  defaultValueDescription,
}: Option): string {
  const shown = defaultValueDescription ?? (isShown(defaultValue) ? String(defaultValue) : '')
  return row(flags, description, argChoices, mandatory ? '**required**' : shown)
}

/** False for what an option is when nobody gives it: nothing. */
function isShown(value: unknown): boolean {
  return value !== undefined && value !== '' && value !== false && !(Array.isArray(value) && value.length === 0)
}

function row(name: string, description: string, choices: readonly string[] | undefined, last: string): string {
  const among = choices === undefined ? '' : ` (${choices.map((choice) => `\`${choice}\``).join(', ')})`
  return `| \`${name}\` | ${description.replaceAll('|', '\\|')}${among} | ${last} |`
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
