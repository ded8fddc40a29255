const HERE = 'http://here.invalid'

/**
 * Where to go after a login, kept to this site: `next` as path and query when it is one, else the home page. What looks
 * like a path to people and like another host to browsers (`//evil`, `/\evil`) is neither.
 */
export function localPath(next: unknown): string {
  if (typeof next !== 'string' || !next.startsWith('/')) return '/'
  if (!URL.canParse(next, HERE)) return '/'
  const url = new URL(next, HERE)
  return url.origin === HERE && !url.pathname.startsWith('//') && !url.pathname.startsWith('/login')
    ? `${url.pathname}${url.search}`
    : '/'
}
