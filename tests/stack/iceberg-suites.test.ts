import { gateSuite } from '../lakehouse/gate-suite.js'
import { modelSuite } from '../lakehouse/model-suite.js'
import { writeModesSuite } from '../lakehouse/write-modes-suite.js'
import { OwnCatalogLake } from './iceberg-lake.js'

const KIND = 'Iceberg in a bucket'
const newLake = () => new OwnCatalogLake('ours')

writeModesSuite(KIND, newLake)
gateSuite(KIND, newLake)
modelSuite(KIND, newLake)
