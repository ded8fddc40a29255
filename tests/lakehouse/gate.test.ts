import { gateSuite } from './gate-suite.js'
import { Lake } from './subject.js'

gateSuite('Delta', () => new Lake())
