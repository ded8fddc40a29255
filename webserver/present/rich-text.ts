export interface TextPart {
  text: string
  code: boolean
}

/** A sentence in which `backticks` mark names, cut into what is printed as text and what as code. */
export function richText(sentence: string): TextPart[] {
  return sentence
    .split(/`([^`\n]+)`/)
    .map((text, place) => ({ text, code: place % 2 === 1 }))
    .filter((part) => part.text !== '')
}
