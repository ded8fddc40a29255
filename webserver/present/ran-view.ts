import { isObject, type Json, type JsonObject } from '../../json.js'
import { operators } from '../../operators/index.js'
import { type Slot, slotsOf } from '../../scheduler/dag/template-slots.js'
import type { AttemptPlace } from '../routes/attempt.js'
import { type CodeLine, highlightSql, highlightYaml } from './highlight.js'

/** One text that an attempt was made of. */
export interface RanPart {
  title: string
  note: string
  id: string
  lines: CodeLine[]
}

interface Text {
  kind: string
  /** where the text stands */
  from: string
  text: string
  isSql: boolean
  /** false: templates stand in it */
  ran: boolean
}

/**
 * What exactly ran: each query, script and file as the attempt had it, then the rest of its configuration, secrets masked.
 * Which texts are programs follows from the schema of the operator. What the attempt has not kept, or not yet, is shown as its
 * pinned version has it, and is called so where templates stand in it.
 * @param rendered what the attempt has kept; null while it runs, and for ever when its worker died
 */
export function ranView(rendered: Json, place: AttemptPlace): RanPart[] {
  const { spec, dag } = place
  const isKept = isObject(rendered)
  const { rendered_files: kept, ...config } = (isKept ? rendered : (spec?.config ?? {})) as JsonObject
  const operator = operators.get(spec?.operator ?? '')
  const slots = operator === undefined ? [] : slotsOf(operator, config).filter(isOfItsOwn)
  const texts = slots.flatMap((slot): Text[] => {
    const isPlain = (text: string) => (slot.file ?? slot.mode) === 'none' || !text.includes('{{')
    if (slot.file === null) return [{ ...inline(slot), ran: isKept || isPlain(slot.text) }]
    const { text: path } = slot
    const written = Object.hasOwn(dag.files, path) ? dag.files[path] : undefined
    const own = isObject(kept) ? kept[path] : undefined
    const text = typeof own === 'string' ? own : written
    if (text === undefined) return []
    const isSql = path.endsWith('.sql')
    return [{ kind: isSql ? 'SQL' : 'file', from: path, text, isSql, ran: text === own || isPlain(text) }]
  })
  const rest = slots.reduce((left, slot) => (slot.file === null ? without(left, slot.path) : left), config)
  const parts = texts.map((text) => part(text, config))
  return [...parts, ...configuration(rest, isKept)].map((one, index) => ({ ...one, id: `ran-${index + 1}` }))
}

/** A file, a query, a script, or whatever has several lines. What stands in a list is one of many and stays there. */
function isOfItsOwn({ path, mode, file, text }: Slot): boolean {
  if (path.some((key) => typeof key === 'number')) return false
  return file !== null || mode === 'sql' || mode === 'shell' || text.trimEnd().includes('\n')
}

const KINDS: Partial<Record<Slot['mode'], string>> = { sql: 'SQL', shell: 'script' }

function inline({ path, mode, text }: Slot): Omit<Text, 'ran'> {
  const from = path.join('.')
  return { kind: KINDS[mode] ?? from, from, text, isSql: mode === 'sql' }
}

function part({ kind, from, text, isSql, ran }: Text, { to, mode }: JsonObject): Omit<RanPart, 'id'> {
  const what = isSql && typeof to === 'string' ? `, ${typeof mode === 'string' ? mode : 'overwrite'} ${to}` : ''
  return {
    title: ran ? `Rendered ${kind}` : kind.charAt(0).toUpperCase() + kind.slice(1),
    note: `${from}${what}${ran ? '' : ', as written'}`,
    lines: isSql ? highlightSql(text) : highlightYaml(text, false),
  }
}

function configuration(config: JsonObject, isKept: boolean): Omit<RanPart, 'id'>[] {
  if (Object.keys(config).length === 0) return []
  const title = isKept ? 'Rendered configuration' : 'Configuration'
  const lines = highlightYaml(JSON.stringify(config, null, 2), false)
  return [{ title, note: isKept ? 'secrets masked' : 'as written', lines }]
}

function without(config: JsonObject, [key, ...deeper]: Slot['path']): JsonObject {
  const { [String(key)]: inner, ...rest } = config
  if (deeper.length === 0 || !isObject(inner)) return rest
  return { ...rest, [String(key)]: without(inner as JsonObject, deeper) }
}
