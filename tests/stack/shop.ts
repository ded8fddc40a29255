import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import { PACKAGE_ROOT } from '../../package-root.js'

/** The shop of `dags/cluster` in a database of its own, and its figures as PostgreSQL computes them. */
export class Shop {
  readonly database = `shop_${randomBytes(6).toString('hex')}`
  readonly #server: URL

  constructor() {
    const dsn = process.env.PG_DSN
    if (dsn === undefined || dsn === '') throw new Error('PG_DSN must be set: the shop lies in PostgreSQL')
    this.#server = new URL(dsn)
  }

  get user(): string {
    return decodeURIComponent(this.#server.username)
  }

  get password(): string {
    return decodeURIComponent(this.#server.password)
  }

  get jdbcUrl(): string {
    return `jdbc:postgresql://${this.#server.host}/${this.database}`
  }

  async create(): Promise<void> {
    await this.#query(this.#server.href, `create database ${this.database}`)
    await this.query(readFileSync(join(PACKAGE_ROOT, 'dags/cluster/shop/shop.sql'), 'utf8'))
  }

  async remove(): Promise<void> {
    await this.#query(this.#server.href, `drop database if exists ${this.database} with (force)`)
  }

  query(sql: string): Promise<Record<string, unknown>[]> {
    const url = new URL(this.#server)
    url.pathname = `/${this.database}`
    return this.#query(url.href, sql)
  }

  async #query(url: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new Client({ connectionString: url })
    await client.connect()
    try {
      return (await client.query(sql)).rows as Record<string, unknown>[]
    } finally {
      await client.end()
    }
  }
}
