#!/usr/bin/env node
// The one file that an old Node must be able to read, to be told politely: nothing here is newer than ES2018, nothing is
// imported before the check, and a test keeps it so.
const found = process.versions.node.split('.').map(Number)
const major = Number(found[0])
const minor = Number(found[1])

if (major < 20 || (major === 20 && minor < 20)) {
  console.error(`error: Sluice needs Node 20.20 or newer; this is Node ${process.versions.node}.`)
  console.error('hint: Install Node 20.20 or newer from https://nodejs.org and run the command again.')
  process.exitCode = 3
} else {
  import('./main.js').then((cli) => cli.main(process.argv.slice(2)))
}
