import { durationProblem } from '../duration-problem.js'
import type { ConfigProblem } from '../operator.js'
import type { HttpConfig } from './config.js'
import { httpUrl } from './connection.js'

/** What of a request no attempt could send. */
export function requestProblems({
  url,
  connection,
  timeout,
}: Pick<HttpConfig, 'url' | 'connection' | 'timeout'>): ConfigProblem[] {
  return [...urlProblem(url, connection), ...durationProblem(['timeout'], timeout)]
}

function urlProblem(text: string, connection: string | undefined): ConfigProblem[] {
  // what a template gives, and what lies below the URL of a connection, is known when the attempt starts
  if (text.includes('{{') || connection !== undefined) return []
  const url = httpUrl(text)
  const path = ['url']
  if (url === null) {
    const hint = 'write https://host/path, or name a `connection` and write the path below its URL'
    return [{ path, message: `${text.slice(0, 100)} is not an http(s) URL`, hint }]
  }
  if (url.username === '' && url.password === '') return []
  const hint = 'put them into `headers` of a connection of type http in sluice.yaml'
  return [{ path, message: 'the URL holds credentials', hint }]
}
