import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, type Browser as Chromium, chromium, type Page } from 'playwright-core'

const PROGRAM = process.env.CHROMIUM ?? '/usr/bin/chromium'
/** Nothing but the pages: no look at its maker's hosts, no sandbox of its own where root runs it. */
const SWITCHES = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** What a visit is made with. */
export interface Visit {
  width?: number
  theme?: 'light' | 'dark'
  script?: boolean
}

/** A real Chromium, found by the variable CHROMIUM. */
export class Browser {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sluice-browser-'))
  #chromium: Chromium | null = null

  async open(): Promise<void> {
    this.#chromium = await chromium.launch({ executablePath: PROGRAM, args: SWITCHES, env: { HOME: this.#folder } })
  }

  async close(): Promise<void> {
    await this.#chromium?.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  /** @param cookie as the server set it at the login: `name=value` */
  async visitor(
    base: string,
    cookie: string,
    { width = 1360, theme = 'light', script = true }: Visit = {},
  ): Promise<Visitor> {
    if (this.#chromium === null) throw new Error('the browser is not open')
    const context = await this.#chromium.newContext({
      baseURL: base,
      viewport: { width, height: 900 },
      colorScheme: theme,
      javaScriptEnabled: script,
    })
    const [name = '', value = ''] = cookie.split('=')
    await context.addCookies([{ name, value, url: base }])
    return new Visitor(context, await context.newPage())
  }
}

/** Somebody with a page open, and whatever went wrong on it meanwhile. */
export class Visitor {
  /** errors of the script, of the policy of contents, and answers that were none */
  readonly trouble: string[] = []

  constructor(
    readonly context: BrowserContext,
    readonly page: Page,
  ) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.trouble.push(message.text())
    })
    page.on('pageerror', (error) => this.trouble.push(String(error)))
    page.on('response', (response) => {
      if (response.status() >= 400) this.trouble.push(`${response.status()} ${response.url()}`)
    })
  }

  /** Opens a page and says what is wrong with it; an empty list for nothing. */
  async go(path: string): Promise<string[]> {
    this.trouble.length = 0
    await this.page.goto(path, { waitUntil: 'load' })
    return this.trouble.map((text) => `${path}: ${text}`)
  }

  close(): Promise<void> {
    return this.context.close()
  }
}
