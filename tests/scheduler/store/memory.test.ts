import { createMemoryStore } from '../../simulation/memory-store/index.js'
import { storeSuite } from './suite.js'

storeSuite('memory', async () => createMemoryStore())
