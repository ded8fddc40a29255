import { readFileSync } from 'node:fs'
import { rootCertificates } from 'node:tls'

/**
 * Whose certificates count for a connection that names an authority of its own: that one besides all that count without it, those
 * of `NODE_EXTRA_CA_CERTS` among them, which Node forgets when it is given a list.
 * https://nodejs.org/api/cli.html#node_extra_ca_certsfile
 * @param authority PEM
 * @param env of this process
 * @returns PEM, for `ca` of node:tls; an extra file that cannot be read adds nothing, as for Node itself
 */
export function authoritiesWith(authority: string, env: NodeJS.ProcessEnv = process.env): string[] {
  return [...rootCertificates, ...extra(env.NODE_EXTRA_CA_CERTS ?? ''), authority]
}

function extra(file: string): string[] {
  if (file === '') return []
  try {
    return [readFileSync(file, 'utf8')]
  } catch {
    // Node has said so as it started
    return []
  }
}
