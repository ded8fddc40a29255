import { gateSuite } from '../gate-suite.js'
import { IcebergLake } from './iceberg-lake.js'

gateSuite('Iceberg', () => new IcebergLake())
