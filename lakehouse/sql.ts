/** An identifier as SQL writes it, whatever characters it has. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A text literal. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A list of quoted columns, in the order given. */
export function identifiers(names: string[]): string {
  return names.map(identifier).join(', ')
}
