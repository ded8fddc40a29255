import { isSluiceError } from '../../../errors.js'
import { lockFolder } from '../../../scheduler/store/folder-lock.js'

/** Tries to lock the folder at each instant its parent names, and tells whether it won. The lock is kept until the next round. */
const [folder = ''] = process.argv.slice(2)

function tried(): string {
  try {
    lockFolder(folder)
    return 'won'
  } catch (error) {
    return isSluiceError(error, 'STORE_LOCKED') ? 'refused' : String(error)
  }
}

process.on('message', (at: number) => {
  // All racers begin at the same instant, closer together than messages arrive.
  while (Date.now() < at);
  process.send?.(tried())
})
process.send?.('ready')
