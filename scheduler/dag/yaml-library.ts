import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type * as Yaml from 'yaml'

/**
 * The library `yaml`, in its build for everything but Node. Its build for Node asks `process.env` for a debugging switch at
 * every token, which is a third of the time a file takes; the code is otherwise the same.
 */
const entry = join(dirname(createRequire(import.meta.url).resolve('yaml/package.json')), 'browser', 'index.js')
const library = (await import(pathToFileURL(entry).href)) as typeof Yaml

export const { Composer, CST, Lexer, Parser, isAlias, isMap, isNode, isPair, isScalar, isSeq, Schema } = library
