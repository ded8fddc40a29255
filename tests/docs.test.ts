import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { COMMANDS } from '../cli/commands.js'
import { ERRORS } from '../errors.js'
import { PACKAGE_ROOT } from '../package-root.js'
import { filesBelow, sourceText } from './source-files.js'

const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'dags/data/README.md',
  ...filesBelow('docs', ['.md']),
]
const packageJson = JSON.parse(sourceText('package.json')) as { scripts: Record<string, string>; version: string }

/** As GitHub makes the anchor of a heading. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-')
}

function anchorsOf(page: string): string[] {
  return [...sourceText(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
}

/** Links of a page that lead to the repository itself; code blocks have none. */
function localLinks(page: string): string[] {
  const text = sourceText(page).replace(/^```[\s\S]*?^```/gm, '')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link).filter((link) => !/^[a-z]+:/.test(link))
}

function brokenLink(page: string, link: string): string | null {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : join(dirname(page), decodeURIComponent(path))
  if (!existsSync(join(PACKAGE_ROOT, target))) return `${page}: ${link} leads nowhere`
  const broken = anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor)
  return broken ? `${page}: ${target} has no heading #${anchor}` : null
}

describe('decisions', () => {
  it('have a number each, which their first line repeats', () => {
    const files = filesBelow('docs/adr', ['.md'])
    const numbers = files.map((file) => Number(/(\d{4})-[^/]+$/.exec(file)?.[1]))
    expect(numbers).toEqual(files.map((_, index) => index + 1))
    expect(files.filter((file, index) => !sourceText(file).startsWith(`# ${index + 1}. `))).toEqual([])
  })
})

describe('links', () => {
  it.each(PAGES)('of %s lead somewhere', (page) => {
    expect(
      localLinks(page)
        .map((link) => brokenLink(page, link))
        .filter((problem) => problem !== null),
    ).toEqual([])
  })

  it('would be found broken', () => {
    expect(brokenLink('README.md', 'docs/none.md')).toContain('leads nowhere')
    expect(brokenLink('README.md', 'docs/ERRORS.md#nothing')).toContain('no heading')
    expect(brokenLink('README.md', 'docs/ERRORS.md#login-and-rights')).toBeNull()
  })
})

describe('commands in the docs', () => {
  it.each(PAGES)('of %s exist', (page) => {
    const text = sourceText(page)
    const named = [...text.matchAll(/(?:^|[`\s])(?:npx )?sluice ([a-z]+)(?=[\s`])/gm)]
    const known = new Set(['help', ...COMMANDS.map(({ name }) => name)])
    const inCode = named.filter(([match]) => /^`|^\s*npx /.test(match)).map(([, name = '']) => name)
    expect(inCode.filter((name) => !known.has(name))).toEqual([])
    const scripts = [...text.matchAll(/npm run ([a-z:-]+)/g)].map(([, name = '']) => name)
    expect(scripts.filter((name) => !Object.hasOwn(packageJson.scripts, name))).toEqual([])
  })
})

describe('ERRORS.md', () => {
  const rows = [...sourceText('docs/ERRORS.md').matchAll(/^\| `([A-Z_]+)` \| (\d+) \| (\d) \| (.+) \| (.+) \|$/gm)]

  it('lists every code of errors.ts, with its status and exit code, and no other', () => {
    const listed = Object.fromEntries(rows.map(([, code, status, exit]) => [code, [Number(status), Number(exit)]]))
    const known = Object.fromEntries(Object.entries(ERRORS).map(([code, { status, exit }]) => [code, [status, exit]]))
    expect(listed).toEqual(known)
    expect(rows).toHaveLength(Object.keys(ERRORS).length)
  })
})

describe('the changelog', () => {
  it('says why before what, and knows the version of the package once it is released', () => {
    const text = sourceText('CHANGELOG.md')
    const sections = text.split(/^## /m).slice(1)
    expect(sections.length).toBeGreaterThan(0)
    for (const section of sections) {
      expect(section.indexOf('### Why')).toBeGreaterThan(0)
      expect(section.indexOf('### Why')).toBeLessThan(
        section.search(/^### (Added|Changed|Fixed|Removed|Security|Deprecated)/m),
      )
    }
    expect(text).toMatch(new RegExp(`^## \\[(Unreleased|${packageJson.version.replaceAll('.', '\\.')})\\]`, 'm'))
  })
})
