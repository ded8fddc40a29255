import { fillStore } from '../webserver/sample-store.js'
import { SampleWeb, sampleTables } from '../webserver/sample-web.js'
import { Browser, type Visit, type Visitor } from './browser.js'

/** A browser before the web view of the sample store, logged in as an operator. */
export class SampleVisits {
  readonly web = new SampleWeb()
  readonly #browser = new Browser()
  #cookie = ''

  async open(): Promise<void> {
    await Promise.all([this.#browser.open(), this.web.open()])
    await fillStore(this.web.store, this.web.database)
    sampleTables(this.web)
    await this.web.start()
    this.#cookie = await this.web.login('operator')
  }

  async close(): Promise<void> {
    await this.#browser.close()
    await this.web.close()
  }

  visitor(visit?: Visit): Promise<Visitor> {
    return this.#browser.visitor(this.web.web.url, this.#cookie, visit)
  }
}
