import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Instant } from '../../json.js'

/** How far the clocks of sender and receiver may be apart, and how old a delivery may be. */
const WINDOW_MS = 5 * 60_000
/** Signatures looked at: a sender that changes its secret sends two. */
const SIGNATURES_LIMIT = 5
const ID = /^[\x21-\x7e]{1,255}$/

export interface DeliveryHeaders {
  /** `webhook-id` */
  id: string
  /** `webhook-timestamp`: seconds since 1970 */
  timestamp: string
  /** `webhook-signature`: `v1,BASE64`, several with spaces between them */
  signature: string
}

/**
 * Whether a delivery comes from whoever knows the secret, after the Standard Webhooks specification 1.0: HMAC-SHA256 over
 * `id.timestamp.body`, compared in constant time.
 * @param secret `whsec_` and the key in base64, or any other text as it is
 * @returns what is wrong, for the log; null when nothing is
 */
export function deliveryFault(headers: DeliveryHeaders, body: Buffer, secret: string, now: Instant): string | null {
  const { id, timestamp, signature } = headers
  if (!ID.test(id)) return 'it has no webhook-id'
  if (!/^\d{1,12}$/.test(timestamp)) return 'it has no webhook-timestamp in seconds'
  const apartMs = Math.abs(now - Number(timestamp) * 1000)
  if (apartMs > WINDOW_MS) return `its webhook-timestamp is ${Math.round(apartMs / 1000)} s from this clock`
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : Buffer.from(secret)
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest()
  const given = signature.split(' ').slice(0, SIGNATURES_LIMIT)
  // all are compared, so that the time tells nothing of which fits
  const fits = given.map(
    (one) => one.startsWith('v1,') && same(Buffer.from(one.slice('v1,'.length), 'base64'), expected),
  )
  return fits.includes(true) ? null : 'its webhook-signature does not fit'
}

function same(given: Buffer, expected: Buffer): boolean {
  return given.length === expected.length && timingSafeEqual(given, expected)
}
