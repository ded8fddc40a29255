import type { Command } from 'commander'
import type { WebPart } from '../../scheduler/cluster/web-part.js'
import type { Config } from '../../scheduler/config.js'
import { writeInstance } from '../instance.js'
import { type CommonOptions, projectOption, wholeNumber } from '../options.js'
import { runPart } from '../part.js'
import { projectConfig } from '../project.js'

interface WebserverOptions extends CommonOptions {
  port: number
  host: string
}

/**
 * `sluice webserver`: one web server of a cluster, until a signal. Commands on this machine and project speak to it.
 */
export function declare(command: Command): void {
  projectOption(command)
    .option('--port <port>', 'to listen on; 0 takes any free one', wholeNumber(0), 8080)
    .option('--host <address>', 'to listen on', '127.0.0.1')
    .action(webserver)
}

async function webserver(options: WebserverOptions): Promise<void> {
  const config = projectConfig(options.project)
  const [{ startWebPart }, { serviceLog }] = await Promise.all([
    import('../../scheduler/cluster/web-part.js'),
    import('../serve.js'),
  ])
  const start = async () => serving(await startWebPart({ config, log: serviceLog('info') }), config, options)
  await runPart('Web server', { ...options, healthHost: options.host }, start)
}

/** The part with its web view, and the file by which commands on this machine find it. */
async function serving(part: WebPart, config: Config, { host, port }: WebserverOptions): Promise<WebPart> {
  const [{ startWeb }, { webDeps, portIsFree }, { createApiToken, revokeApiToken }, { removeInstance }] =
    await Promise.all([
      import('../../webserver/app.js'),
      import('../serve.js'),
      import('../../webserver/auth/secrets.js'),
      import('../instance.js'),
    ])
  try {
    await portIsFree(host, port)
    const web = await startWeb({ deps: webDeps(config, part), host, port })
    const now = Date.now()
    await part.store.saveUser('cli', 'admin', now)
    const token = await createApiToken(part.store, 'cli', now)
    await writeInstance(config.project, { url: web.url, token })
    process.stdout.write(`${web.url}\n`)
    const close = async () => {
      removeInstance(config.project)
      await web.close()
      await revokeApiToken(part.store, token)
      await part.close()
    }
    return { ...part, close }
  } catch (error) {
    await part.close()
    throw error
  }
}
