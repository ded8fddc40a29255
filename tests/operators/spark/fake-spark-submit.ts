/**
 * A program that takes what spark-submit takes, writes an event log as Spark does, and runs the application as JavaScript: a
 * real process with real arguments, where there is no Spark. The application is a function of `(argv, spark)`.
 */
export const FAKE_SPARK_SUBMIT = `#!${process.execPath}
const fs = require('node:fs')
const argv = process.argv.slice(2)
const conf = {}
let at = 0
for (; argv[at]?.startsWith('--'); at += 2) {
  if (argv[at] !== '--conf') { conf[argv[at]] = argv[at + 1]; continue }
  const [key, ...value] = argv[at + 1].split('=')
  conf[key] = value.join('=')
}
const folder = (conf['spark.eventLog.dir'] ?? '').replace('file://', '')
const event = (name, rest) => {
  if (folder !== '') fs.appendFileSync(folder + '/local-1700000000000', JSON.stringify({ Event: 'SparkListener' + name, ...rest }) + '\\n')
}
event('ApplicationStart', { 'App Name': conf['--name'], 'App ID': 'local-1700000000000', Timestamp: Date.now() })
console.error('26/01/02 06:00:00 INFO SparkContext: Running Spark version 4.1.4')
const application = require('node:vm').runInThisContext(fs.readFileSync(argv[at], 'utf8'))
application(argv.slice(at + 1), { conf, event, require })
`
