import { crashSuite } from '../lakehouse/crash-suite.js'
import { writeModesSuite } from '../lakehouse/write-modes-suite.js'
import { S3Lake } from './s3-lake.js'

writeModesSuite('a bucket', () => new S3Lake())
crashSuite('a bucket', () => new S3Lake())
