import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { PACKAGE_ROOT } from '../../package-root.js'
import { sourceText } from '../source-files.js'

interface Service {
  environment?: Record<string, string>
}

/** What compose.yaml gives its services, with the secrets of an `.env` that `docker/generate-env` has written. */
export class ComposeServices {
  readonly #services = (parse(sourceText('compose.yaml'), { merge: true }) as { services: Record<string, Service> })
    .services
  readonly #secrets: ReadonlyMap<string, string>
  /** where the containers would find each other, and where that is here: `minio:9000` -> `127.0.0.1:41234` */
  readonly addresses = new Map<string, string>()

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-compose-'))
    try {
      mkdirSync(join(folder, 'docker'))
      copyFileSync(join(PACKAGE_ROOT, 'docker/generate-env'), join(folder, 'docker/generate-env'))
      execFileSync(join(folder, 'docker/generate-env'), { stdio: 'ignore' })
      const pairs = readFileSync(join(folder, '.env'), 'utf8').matchAll(/^([A-Z]\w*)=(.*)$/gm)
      this.#secrets = new Map([...pairs].map(([, name = '', value = '']) => [name, value]))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }

  /** The variables of a service and no other, with the addresses of this machine. */
  environment(service: string): Record<string, string> {
    const variables = Object.entries(this.#service(service).environment ?? {})
    return Object.fromEntries(variables.map(([name, text]) => [name, this.here(this.#filledIn(text))]))
  }

  /** A text with the addresses of this machine in the place of those among containers. */
  here(text: string): string {
    let result = text
    for (const [there, here] of this.addresses) result = result.replaceAll(there, here)
    return result
  }

  #service(name: string): Service {
    const service = this.#services[name]
    if (service === undefined) throw new Error(`compose.yaml has no service ${name}`)
    return service
  }

  #filledIn(text: string): string {
    return text.replace(/\$\{([A-Z0-9_]+):\?[^}]*\}/g, (_, name: string) => {
      const secret = this.#secrets.get(name)
      if (secret === undefined) throw new Error(`docker/generate-env writes no ${name}`)
      return secret
    })
  }
}
