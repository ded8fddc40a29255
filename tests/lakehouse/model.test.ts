import { modelSuite } from './model-suite.js'
import { Lake } from './subject.js'

modelSuite('Delta', () => new Lake())
