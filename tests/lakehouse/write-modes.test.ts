import { Lake } from './subject.js'
import { writeModesSuite } from './write-modes-suite.js'

writeModesSuite('a folder', () => new Lake())
