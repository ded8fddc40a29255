import { SluiceError } from '../../../errors.js'
import { isObject, type Json, type JsonObject } from '../../../json.js'
import type { DuckdbSession } from './session.js'

/** What a SELECT needs before it can run. */
export interface SelectReferences {
  /** table names as written, parts joined by `.`, each once */
  tables: string[]
  /** it is DESCRIBE or SUMMARIZE, which can be shown but not written to a table */
  describes: boolean
}

/** Table functions that make rows out of their arguments; all others could read files, settings or other statements. */
const TABLE_FUNCTIONS = new Set([
  'range',
  'generate_series',
  'unnest',
  'repeat',
  'repeat_row',
  'json_each',
  'json_tree',
  'regexp_split_to_table',
])

/** What may stand in a FROM clause. */
const TABLE_REFERENCES = new Set([
  'BASE_TABLE',
  'SUBQUERY',
  'JOIN',
  'TABLE_FUNCTION',
  'EXPRESSION_LIST',
  'EMPTY',
  'EMPTY_FROM',
  'PIVOT',
  'SHOW_REF',
  'COLUMN_DATA',
])

/** Scalar functions with effects beyond their result. */
const FORBIDDEN_FUNCTIONS = new Set(['write_log', 'nextval', 'currval', 'getenv'])

/**
 * Reads the parse tree of a statement and refuses what is not one SELECT over lakehouse tables. The sandbox of the
 * session would refuse files too; here the refusal names what was written.
 * @param subject start of error sentences: `The SQL`, `Check amount_positive`
 * @throws SluiceError SQL_NOT_A_SELECT, SQL_FORBIDDEN, SQL_FAILED for syntax errors
 */
export async function readSelect(session: DuckdbSession, sql: string, subject = 'The SQL'): Promise<SelectReferences> {
  const statement = await parseStatement(session, sql, subject)
  const visitor = new Visitor(subject, sql)
  visitor.visit(statement)
  return visitor.references()
}

/** The parse tree of the only statement in `sql`. */
async function parseStatement(session: DuckdbSession, sql: string, subject: string): Promise<JsonObject> {
  const [row] = await session.rows('SELECT json_serialize_sql($1::VARCHAR) AS tree', { values: [sql], subject })
  const tree: Json = JSON.parse(String(row?.tree))
  if (!isObject(tree)) throw new Error('json_serialize_sql returned no object')
  if (tree.error === true) throw parseError(tree, sql, subject)
  const statements = Array.isArray(tree.statements) ? tree.statements : []
  const [statement] = statements
  if (statements.length !== 1 || !isObject(statement)) {
    throw notASelect(subject, statements.length === 0 ? 'is empty' : `holds ${statements.length} statements`)
  }
  return statement
}

class Visitor {
  private readonly tables = new Set<string>()
  private readonly unqualified = new Set<string>()
  private readonly cteNames = new Set<string>()
  private describes = false

  constructor(
    private readonly subject: string,
    private readonly sql: string,
  ) {}

  references(): SelectReferences {
    for (const name of this.unqualified) {
      if (!this.cteNames.has(name.toLowerCase())) throw this.unknownName(name)
    }
    return { tables: [...this.tables], describes: this.describes }
  }

  visit(node: Json): void {
    if (Array.isArray(node)) {
      for (const item of node) this.visit(item)
      return
    }
    if (!isObject(node)) return
    if (isObject(node.cte_map)) this.collectCtes(node.cte_map)
    if ('sample' in node && 'alias' in node) this.visitTableReference(node)
    if (node.class === 'FUNCTION' && FORBIDDEN_FUNCTIONS.has(String(node.function_name).toLowerCase())) {
      throw this.forbidden(node, `${node.function_name}() may not be used`)
    }
    for (const child of Object.values(node)) this.visit(child)
  }

  private collectCtes(cteMap: JsonObject): void {
    const entries = Array.isArray(cteMap.map) ? cteMap.map : []
    for (const entry of entries) if (isObject(entry)) this.cteNames.add(String(entry.key).toLowerCase())
  }

  private visitTableReference(node: JsonObject): void {
    const type = String(node.type)
    if (!TABLE_REFERENCES.has(type)) throw this.forbidden(node, `${type} may not stand in FROM`)
    if (type === 'BASE_TABLE') this.visitTable(node)
    if (type === 'TABLE_FUNCTION') this.visitTableFunction(node)
    if (type !== 'SHOW_REF') return
    if (node.query === null || node.query === undefined) throw notASelect(this.subject, 'is SHOW, not a SELECT')
    this.describes = true
  }

  private visitTable(node: JsonObject): void {
    const parts = [node.catalog_name, node.schema_name, node.table_name].map(String).filter((part) => part !== '')
    if (node.at_clause !== null && node.at_clause !== undefined) {
      throw this.forbidden(node, 'AT (VERSION …) is not supported; a query reads the current version of each table')
    }
    if (parts.length === 1) this.unqualified.add(parts[0] ?? '')
    else this.tables.add(parts.join('.'))
  }

  private visitTableFunction(node: JsonObject): void {
    const name = isObject(node.function) ? String(node.function.function_name) : 'a table function'
    if (!TABLE_FUNCTIONS.has(name.toLowerCase())) {
      throw this.forbidden(node, `${name}() may not be used: SQL reads lakehouse tables only`)
    }
  }

  private unknownName(name: string): SluiceError {
    if (/[/\\:*?]|\.(csv|tsv|parquet|json|ndjson|jsonl|db|txt|gz|zst)$/i.test(name)) {
      return this.forbidden({}, `the file '${name}' may not be read: SQL reads lakehouse tables only`)
    }
    const message = `${this.subject} names the table ${name} without its schema; write schema.${name}.`
    return new SluiceError('TABLE_UNKNOWN', message, { retryable: false })
  }

  private forbidden(node: JsonObject, sentence: string): SluiceError {
    const at = typeof node.query_location === 'number' ? lineOf(this.sql, node.query_location) : null
    const where = at === null ? '' : `, line ${at}`
    return new SluiceError('SQL_FORBIDDEN', `${this.subject}${where}: ${sentence}.`, { retryable: false })
  }
}

function parseError(tree: JsonObject, sql: string, subject: string): SluiceError {
  const text = String(tree.error_message)
  if (tree.error_type === 'not implemented') {
    const hint = /\bpivot\b/i.test(sql) ? 'Give PIVOT the values of its columns: ON x IN (…).' : undefined
    return notASelect(subject, 'is not a SELECT', hint)
  }
  if (/CTE needs a SELECT/i.test(text)) return notASelect(subject, 'changes data inside WITH')
  const line = lineOf(sql, Number(tree.position ?? 0))
  return new SluiceError('SQL_FAILED', `${subject}, line ${line ?? 1}: ${text}.`, { retryable: false })
}

function notASelect(subject: string, sentence: string, hint?: string): SluiceError {
  const options = { retryable: false, ...(hint === undefined ? {} : { hint }) }
  return new SluiceError('SQL_NOT_A_SELECT', `${subject} ${sentence}; expected exactly one SELECT.`, options)
}

/** @param position in bytes; DuckDB writes the greatest 64-bit number for "none" */
function lineOf(sql: string, position: number): number | null {
  const bytes = Buffer.from(sql)
  if (!Number.isSafeInteger(position) || position > bytes.length) return null
  return bytes.subarray(0, position).toString('utf8').split('\n').length
}
