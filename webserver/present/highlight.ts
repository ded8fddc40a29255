/** A stretch of text with the class it is printed in; '' for plain. The template escapes the text. */
export interface Span {
  kind: '' | 'k' | 'v' | 'x' | 'faint'
  text: string
}

export interface CodeLine {
  number: number
  spans: Span[]
}

const SQL_WORDS = new Set(
  `all and any as asc between by case cast cross current date desc distinct else end except exists false filter first for from
  full group having ilike in inner intersect interval into is join lateral left like limit not null nulls offset on or
  order outer over partition qualify range recursive right row rows select set table then time timestamp true union
  unnest using values when where window with`.split(/\s+/),
)

/** Comments, quoted strings, names in quotes, numbers, words and templates of SQL; everything else passes as it is. */
const SQL_TOKEN =
  /(--[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^']|'')*'?)|("(?:[^"]|"")*"?)|(\{\{[^}]*\}\})|(\b\d+(?:\.\d+)?\b)|([A-Za-z_][A-Za-z0-9_]*)/g

/** More than this is shown plain: colouring megabytes helps nobody. */
const LENGTH_LIMIT = 200_000

/**
 * SQL in numbered lines with its words, literals, comments and templates told apart. It colours by tokens alone, so a
 * text that does not parse is shown as well.
 */
export function highlightSql(text: string): CodeLine[] {
  if (text.length > LENGTH_LIMIT) return numbered([{ kind: '', text }])
  return numbered(
    spansOf(text, SQL_TOKEN, ([token, comment, string, , template, number, word]) => {
      if (comment !== undefined) return 'faint'
      if (string !== undefined || number !== undefined) return 'v'
      if (template !== undefined) return 'x'
      return word !== undefined && SQL_WORDS.has(token.toLowerCase()) ? 'k' : ''
    }),
  )
}

const YAML_TOKEN =
  /((?:^|\s)#[^\n]*)|(\{\{[^}]*\}\})|("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')|((?<=(?:^|[\n{,[-])[ \t]*)[A-Za-z_][\w.-]*(?=:(?:\s|$)))/g

/**
 * YAML in numbered lines with its keys, texts, comments and templates told apart; a very long text is left plain.
 * @param isYaml false prints the text plain, with numbers
 */
export function highlightYaml(text: string, isYaml: boolean): CodeLine[] {
  if (!isYaml || text.length > LENGTH_LIMIT) return numbered([{ kind: '', text }])
  return numbered(
    spansOf(text, YAML_TOKEN, ([, comment, template, string, key]) => {
      if (comment !== undefined) return 'faint'
      if (template !== undefined) return 'x'
      if (string !== undefined) return 'v'
      return key !== undefined ? 'k' : ''
    }),
  )
}

function spansOf(text: string, token: RegExp, kindOf: (match: RegExpMatchArray) => Span['kind']): Span[] {
  const spans: Span[] = []
  let from = 0
  for (const match of text.matchAll(token)) {
    const kind = kindOf(match)
    if (kind === '') continue
    if (match.index > from) spans.push({ kind: '', text: text.slice(from, match.index) })
    spans.push({ kind, text: match[0] })
    from = match.index + match[0].length
  }
  if (from < text.length) spans.push({ kind: '', text: text.slice(from) })
  return spans
}

/** Spans cut at the ends of lines; a span over several lines keeps its kind on each. */
function numbered(spans: readonly Span[]): CodeLine[] {
  const lines: CodeLine[] = [{ number: 1, spans: [] }]
  for (const span of spans)
    for (const [place, text] of span.text.split('\n').entries()) {
      if (place > 0) lines.push({ number: lines.length + 1, spans: [] })
      if (text !== '') lines.at(-1)?.spans.push({ kind: span.kind, text })
    }
  if (lines.length > 1 && lines.at(-1)?.spans.length === 0) lines.pop()
  return lines
}
