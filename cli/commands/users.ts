import { type Command, InvalidArgumentError, Option } from 'commander'
import { SluiceError } from '../../errors.js'
import { type Instant, isoInstant } from '../../json.js'
import { BASE_URL_WITHOUT } from '../../scheduler/config-defaults.js'
import { ROLES, type Role } from '../../scheduler/store/account-store.js'
import { startThread } from '../../scheduler/store/pglite.js'
import type { Store } from '../../scheduler/store/store.js'
import { type CommonOptions, type JsonOption, jsonOption, projectOption } from '../options.js'
import { printJson } from '../output/json.js'
import { printTable } from '../output/table.js'
import { terminal } from '../output/terminal.js'
import { shortInstant } from '../output/time.js'
import { durationArgument } from '../part.js'
import { projectConfig } from '../project.js'

interface TokenOptions extends CommonOptions, JsonOption {
  expires?: number
}

interface AddOptions extends CommonOptions, JsonOption {
  role: Role
}

/**
 * Users, straight on the metadata store: whoever may read its password is an admin already. An embedded store belongs to the
 * Sluice that runs, so that one is stopped first.
 */
export function declare(command: Command): void {
  // --project and --json are options of `users`, too, and commander gives them to whoever comes first: hence optsWithGlobals
  projectOption(jsonOption(command)).action(list)
  projectOption(jsonOption(command.command('add')))
    .description('add a user, or change the role; prints a link that logs in once')
    .argument('<name>', 'letters, digits, . _ @ and -', userName)
    .addOption(new Option('--role <role>', 'what the user may do').choices(ROLES).default('viewer'))
    .action((name: string, _: unknown, self: Command) => add(name, self.optsWithGlobals()))
  projectOption(jsonOption(command.command('link')))
    .description('print a link that logs the user in once, within 15 minutes')
    .argument('<name>', 'of the user')
    .action((name: string, _: unknown, self: Command) => link(name, self.optsWithGlobals()))
  projectOption(jsonOption(command.command('token')))
    .description('print a new token for programs; it is shown this once')
    .argument('<name>', 'of the user')
    .option(
      '--expires <duration>',
      'such as 90d; without it the token lives until its user is removed',
      durationArgument,
    )
    .action((name: string, _: unknown, self: Command) => token(name, self.optsWithGlobals()))
  projectOption(jsonOption(command.command('remove')))
    .description('remove a user with all sessions and tokens')
    .argument('<name>', 'of the user')
    .action((name: string, _: unknown, self: Command) => remove(name, self.optsWithGlobals()))
}

async function list(options: CommonOptions & JsonOption): Promise<void> {
  const users = await withStore(options, (store) => store.users())
  const out = terminal()
  if (options.json === true) {
    const shapes = users.map(({ name, role, createdAt }) => ({
      name,
      role,
      created_at: new Date(createdAt).toISOString(),
    }))
    return printJson(shapes, out)
  }
  const rows = users.map(({ name, role, createdAt }) => [name, role, shortInstant(new Date(createdAt).toISOString())])
  printTable([{ title: 'USER' }, { title: 'ROLE' }, { title: 'SINCE' }], rows, out)
}

async function add(name: string, options: AddOptions): Promise<void> {
  const made = await withStore(options, async (store, now) => {
    await store.saveUser(name, options.role, now)
    await store.audit({ user: 'cli', action: 'save user', target: name, detail: { role: options.role } }, now)
    return loginLink(store, name, options, now)
  })
  const shape = { name, role: options.role, login: made }
  tell(shape, `${name} is ${options.role}. Log in, once: ${made}`, options)
}

async function link(name: string, options: CommonOptions & JsonOption): Promise<void> {
  const made = await withStore(options, async (store, now) => {
    await known(store, name)
    return loginLink(store, name, options, now)
  })
  tell({ name, login: made }, made, options)
}

async function token(name: string, options: TokenOptions): Promise<void> {
  const shape = await withStore(options, async (store, now) => {
    await known(store, name)
    const { createApiToken } = await import('../../webserver/auth/secrets.js')
    await store.audit({ user: 'cli', action: 'make token', target: name, detail: {} }, now)
    const expiresAt = options.expires === undefined ? null : now + options.expires
    const made = await createApiToken(store, name, now, expiresAt)
    return { name, token: made, expires_at: expiresAt === null ? null : isoInstant(expiresAt) }
  })
  tell(shape, shape.token, options)
}

async function remove(name: string, options: CommonOptions & JsonOption): Promise<void> {
  await withStore(options, async (store, now) => {
    await known(store, name)
    await store.audit({ user: 'cli', action: 'remove user', target: name, detail: {} }, now)
    await store.removeUser(name)
  })
  tell({ name, removed: true }, `${name} is removed.`, options)
}

function tell(shape: object, sentence: string, { json }: JsonOption): void {
  if (json === true) printJson(shape, terminal())
  else terminal().print(sentence)
}

async function withStore<T>(options: CommonOptions, job: (store: Store, now: Instant) => Promise<T>): Promise<T> {
  startThread()
  const config = projectConfig(options.project)
  const { openStore } = await import('../../scheduler/store/open-store.js')
  const now = Date.now()
  const { store } = await openStore(config.store, now)
  try {
    return await job(store, now)
  } finally {
    await store.close()
  }
}

async function loginLink(store: Store, name: string, { project }: CommonOptions, now: Instant): Promise<string> {
  const { createLoginLink } = await import('../../webserver/auth/secrets.js')
  return createLoginLink(store, name, projectConfig(project).baseUrl ?? BASE_URL_WITHOUT, now)
}

async function known(store: Store, name: string): Promise<void> {
  const users = await store.users()
  if (users.some((user) => user.name === name)) return
  throw new SluiceError('WRONG_USE', `There is no user ${name}.`, { hint: 'Add it with `sluice users add`.' })
}

function userName(text: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$/.test(text))
    throw new InvalidArgumentError('It must be letters, digits, . _ @ and -, at most 100.')
  return text
}
