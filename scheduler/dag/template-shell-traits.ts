const DECLARATIONS = new Set(['declare', 'typeset', 'local', 'readonly', 'export'])

/** What a script does somewhere, before or behind, that changes what an assignment anywhere in it means. */
export interface ScriptTraits {
  /** it declares variables whose values bash evaluates (`-i`), or that stand for others (`-n`) */
  integers: boolean
  /** it has arrays: `declare x='(…)'` may then be read as a list, whose words are commands' too */
  arrays: boolean
  /** aliases, which may make any word another one */
  aliases: boolean
}

/**
 * Looks at the words of a script, in whatever quotes, comments or functions they stand: what a variable is may be said behind its
 * assignment, and in a loop or function that still comes before it.
 */
export function scriptTraits(script: string): ScriptTraits {
  const plain = script.replace(/\\\n|["'\\]/g, '')
  const traits = { integers: false, arrays: plain.includes('=('), aliases: /\bexpand_aliases\b/.test(plain) }
  const words = plain.split(/[\s;&|(){},`]+/)
  for (const [index, word] of words.entries()) {
    if (!DECLARATIONS.has(word)) continue
    for (let at = index + 1; /^[-+]./.test(words[at] ?? ''); at++) {
      traits.integers ||= word !== 'export' && /^[-+][\w$]*[in$]/.test(words[at] ?? '')
      traits.arrays ||= /^[-+][\w$]*[aA$]/.test(words[at] ?? '')
    }
  }
  return traits
}
