import { modelSuite } from '../model-suite.js'
import { IcebergLake } from './iceberg-lake.js'

modelSuite('Iceberg', () => new IcebergLake())
