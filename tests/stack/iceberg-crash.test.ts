import { crashSuite } from '../lakehouse/crash-suite.js'
import { OwnCatalogLake } from './iceberg-lake.js'

crashSuite('an Iceberg catalog', () => new OwnCatalogLake('pyiceberg'))
