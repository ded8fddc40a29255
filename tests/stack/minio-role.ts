import { createHash, createHmac } from 'node:crypto'
import type { S3Connection } from '../../lakehouse/config.js'
import { S3Place } from './s3-place.js'

export type RoleKeys = Required<Pick<S3Connection, 'access_key' | 'secret_key' | 'session_token'>>

/**
 * Keys for an hour that may do what the policy allows and no more; nothing of it stays in the store (AssumeRole with a
 * policy of the session, signed with AWS Signature Version 4).
 * @param policy the text of an IAM policy
 */
export async function roleWith(policy: string): Promise<RoleKeys> {
  const { endpoint, region, access_key: user, secret_key: secret } = S3Place.stack()
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    DurationSeconds: '3600',
    Policy: policy,
  }).toString()
  const type = 'application/x-www-form-urlencoded'
  const at = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
  const headers = { 'content-type': type, host: new URL(endpoint).host, 'x-amz-date': at }
  const names = Object.keys(headers).join(';')
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`)
  const request = ['POST', '/', '', ...lines, '', names, sha256(body)].join('\n')
  const scope = [at.slice(0, 8), region, 'sts', 'aws4_request']
  const key = scope.reduce<string | Buffer>((before, part) => hmac(before, part), `AWS4${secret}`)
  const signature = hmac(key, ['AWS4-HMAC-SHA256', at, scope.join('/'), sha256(request)].join('\n')).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${user}/${scope.join('/')}, SignedHeaders=${names}, Signature=${signature}`
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': type, 'x-amz-date': at, authorization },
    body,
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`AssumeRole: ${answer.status} ${text}`)
  const found = (name: string) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1] ?? ''
  return {
    access_key: found('AccessKeyId'),
    secret_key: found('SecretAccessKey'),
    session_token: found('SessionToken'),
  }
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()
