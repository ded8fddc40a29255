import type { Document, Node, Pair, YAMLMap } from 'yaml'
import type { Json, JsonObject } from '../../json.js'
import { LIMITS } from './guard.js'
import { isAlias, isMap, isNode, isPair, isScalar, isSeq } from './yaml-library.js'

/** Keys and indexes from the top of a document, e.g. `['tasks', 'load', 'needs', 0]`. */
export type Path = readonly (string | number)[]

export interface TreeProblem {
  offset: number
  message: string
  hint: string
}

/** A YAML document as JSON. */
export interface Tree {
  value: Json
  problems: TreeProblem[]
  offset(path: Path, at: 'key' | 'value'): number
}

/** How a place inside the document reads in a problem: `tasks.load.needs[0]`. */
export function pathText(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? part : `.${part}`
  }
  return text
}

/**
 * Writes a document out as JSON: aliases replaced by what they stand for, keys strings, each key once.
 * @param refuse makes the error that is thrown when the document is too large once written out
 */
export function treeOf(document: Document, refuse: (offset: number, message: string, hint: string) => Error): Tree {
  const walk = new Walk(document, refuse)
  const value = document.contents === null ? null : walk.json(document.contents as Node)
  const places = new Places(document)
  return { value, problems: walk.problems, offset: (path, at) => places.offset(path, at) }
}

class Walk {
  readonly problems: TreeProblem[] = []
  readonly #anchors = new Map<string, Node>()
  /** nodes being written out now; an alias to one of them would never end */
  readonly #open = new Set<Node>()
  #values = 0

  constructor(
    readonly document: Document,
    readonly refuse: (offset: number, message: string, hint: string) => Error,
  ) {}

  json(node: Node): Json {
    if (++this.#values > LIMITS.values) {
      throw this.refuse(start(node), `the file holds more than ${LIMITS.values} values`, 'split the DAG')
    }
    if (isAlias(node)) return this.#aliased(node.source, node)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return this.#scalar(node.value, node)
    this.#open.add(node)
    const value = isMap(node) ? this.#map(node.items, node) : isSeq(node) ? this.#list(node.items, node) : null
    this.#open.delete(node)
    return value
  }

  #aliased(name: string, node: Node): Json {
    const target = this.#anchors.get(name)
    if (target === undefined) {
      this.#problem(node, `the alias \`*${name}\` names no anchor above it`, 'put text that begins with * in quotes')
      return null
    }
    if (this.#open.has(target)) {
      this.#problem(node, `the alias \`*${name}\` stands inside what it names`, 'write the value out')
      return null
    }
    return this.json(target)
  }

  #scalar(value: unknown, node: Node): Json {
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.#problem(node, 'infinite and undefined numbers are not used here', 'write a number')
      return null
    }
    if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      return value
    this.#problem(node, 'this value is neither text, number, boolean nor null', 'put it in quotes')
    return null
  }

  #list(items: readonly unknown[], list: Node): Json[] {
    return items.map((item) => (isNode(item) ? this.json(item) : this.#pairInList(item, list)))
  }

  #pairInList(item: unknown, list: Node): Json {
    const key = isPair(item) && isNode(item.key) ? item.key : list
    this.#problem(key, 'a `key: value` stands in a list without braces or dash', 'write `- key: value`')
    return null
  }

  #map(items: readonly { key: unknown; value: unknown }[], map: Node): JsonObject {
    const object: JsonObject = {}
    for (const { key, value } of items) {
      const name = this.#key(key, map)
      if (name === null) continue
      if (Object.hasOwn(object, name)) {
        this.#problem(isNode(key) ? key : map, `the key \`${name}\` stands twice in the same map`, 'remove one of them')
        continue
      }
      object[name] = isNode(value) ? this.json(value) : null
    }
    return object
  }

  #key(key: unknown, map: Node): string | null {
    if (isMap(key)) {
      this.#problem(key, 'a template begins with a brace, which YAML reads as a map', 'put it in quotes: "{{ … }}"')
      return null
    }
    const value = isScalar(key) ? key.value : undefined
    const name = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
    const place = isNode(key) ? key : map
    if (typeof name !== 'string' || name === '__proto__') {
      this.#problem(place, 'a key must be a plain name', 'put the name in quotes')
      return null
    }
    if (name === '<<') {
      this.#problem(place, '`<<` is not part of YAML 1.2', 'use `defaults:` for what tasks share')
      return null
    }
    return name
  }

  #problem(node: Node, message: string, hint: string): void {
    if (this.problems.length < LIMITS.problems) this.problems.push({ offset: start(node), message, hint })
  }
}

function start(node: Node): number {
  return node.range?.[0] ?? 0
}

/** Finds places again by their path. */
class Places {
  /** pairs by key, made when a map is first asked for one: a DAG of ten thousand tasks asks ten thousand times */
  readonly #pairs = new WeakMap<YAMLMap, Map<string, Pair>>()

  constructor(readonly document: Document) {}

  /** Follows the path as far as it exists. */
  offset(path: Path, at: 'key' | 'value'): number {
    let node: unknown = this.document.contents
    let offset = isNode(node) ? start(node) : 0
    for (const [depth, part] of path.entries()) {
      if (isAlias(node)) node = node.resolve(this.document)
      if (isMap(node)) {
        const pair = this.#pair(node, String(part))
        if (pair === undefined) return offset
        node = pair.value
        const wantsKey = depth === path.length - 1 && at === 'key'
        offset = isNode(node) && isFilled(node) && !wantsKey ? start(node) : keyStart(pair.key, offset)
      } else if (isSeq(node)) {
        node = node.items[Number(part)]
        if (!isNode(node)) return offset
        offset = start(node)
      } else return offset
    }
    return offset
  }

  #pair(map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#pairs.get(map)
    if (pairs === undefined) {
      pairs = new Map()
      // of a key that stands twice the first counts, as in the value
      for (const pair of map.items.toReversed()) if (isScalar(pair.key)) pairs.set(String(pair.key.value), pair)
      this.#pairs.set(map, pairs)
    }
    return pairs.get(key)
  }
}

/** A value that is not there (`key:` and nothing) has no place of its own: its key is where to look. */
function isFilled(node: Node): boolean {
  return !isScalar(node) || node.source !== ''
}

function keyStart(key: unknown, otherwise: number): number {
  return isNode(key) ? start(key) : otherwise
}
