import type { Json } from '../../json.js'

/** The long form of the operator `http`. */
export type HttpConfig = {
  url: string
  connection?: string
  method?: string
  query?: Record<string, string>
  headers?: Record<string, string>
  json?: Json
  body?: string
  expected_status?: number | string | (number | string)[]
  outputs?: Record<string, string>
  timeout?: string
  max_bytes?: number
  max_redirects?: number
}

export const DEFAULT_TIMEOUT = '1m'
export const DEFAULT_MAX_BYTES = 1_000_000
export const DEFAULT_MAX_REDIRECTS = 5
/** Whether a connection that does not say leads to private addresses besides its own. */
export const DEFAULT_ALLOW_PRIVATE = false
export const DEFAULT_STATUS = '200-299'
