import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import Handlebars from 'handlebars'
import { PACKAGE_ROOT } from '../package-root.js'

const VIEWS = join(PACKAGE_ROOT, 'webserver', 'views')

/**
 * Strict: a name that the view model lacks is an error and never an empty place. Only the built-in helpers exist, so a
 * view model arrives ready to print.
 */
const OPTIONS = { strict: true, knownHelpersOnly: true, preventIndent: true } as const

export type Views = (name: string, model: object) => string

/**
 * Compiles every file of `webserver/views`; those whose name begins with `_` are partials. Nothing else is ever
 * compiled: what DAG authors write is data to these templates.
 */
export function loadViews(): Views {
  const handlebars = Handlebars.create()
  const templates = new Map<string, Handlebars.TemplateDelegate>()
  for (const file of readdirSync(VIEWS).filter((name) => name.endsWith('.hbs'))) {
    const name = basename(file, '.hbs')
    const template = handlebars.compile(readFileSync(join(VIEWS, file), 'utf8'), OPTIONS)
    templates.set(name, template)
    if (name.startsWith('_')) handlebars.registerPartial(name, template)
  }
  return (name, model) => {
    const template = templates.get(name)
    if (template === undefined) throw new Error(`there is no view ${name}`)
    return template(model)
  }
}
