import { writeModesSuite } from '../write-modes-suite.js'
import { IcebergLake } from './iceberg-lake.js'

writeModesSuite('Iceberg', () => new IcebergLake())
