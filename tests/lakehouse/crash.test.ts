import { crashSuite } from './crash-suite.js'
import { Lake } from './subject.js'

crashSuite('a folder', () => new Lake())
