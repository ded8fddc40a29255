const CODES = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, grey: 90, bold: 1 } as const
export type Colour = keyof typeof CODES

const ESCAPE = '\u001b'
const ESCAPES = new RegExp(`${ESCAPE}\\[[0-9;]*m`, 'g')

/** A text in a colour, where there is one and the terminal takes it; what the text itself holds is not looked at. */
export function paint(text: string, colour: Colour | null, coloured: boolean): string {
  return coloured && colour !== null ? `${ESCAPE}[${CODES[colour]}m${text}${ESCAPE}[0m` : text
}

/** A cell or line that may carry our colours, and from outside nothing that does more than colour. */
export function onlyColoured(text: string): string {
  const codes = text.match(ESCAPES) ?? []
  return text
    .split(ESCAPES)
    .map((part, index) => harmless(part) + (codes[index] ?? ''))
    .join('')
}

/** Characters on the screen: colour codes take none. */
export function shownWidth(text: string): number {
  return [...text.replace(ESCAPES, '')].length
}

/**
 * Text from outside (a log, a name, a cell) as it may go to a terminal: control characters, which could move the cursor
 * or rewrite the title, and marks that turn the direction of writing become visible. Tabs stay; line ends stay only with
 * `lines`.
 */
export function harmless(text: string, lines = false): string {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    if (lines && character === '\n') return character
    const code = character.charCodeAt(0).toString(16)
    return code.length > 2 ? `\\u${code}` : `\\x${code.padStart(2, '0')}`
  })
}
