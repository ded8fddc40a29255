import { SluiceError } from '../../../errors.js'
import type { Metadata, Protocol } from './actions.js'
import { type DeltaField, type DeltaType, parseSchema } from './schema.js'

/** Features whose presence changes nothing for us as a reader. */
const READER_FEATURES = new Set(['timestampNtz'])

/**
 * Features we may write under. Those with a condition are only harmless while the table does not use them: older
 * protocol versions list them all by implication.
 */
const WRITER_FEATURES = new Set([
  'appendOnly',
  'invariants',
  'checkConstraints',
  'changeDataFeed',
  'generatedColumns',
  'identityColumns',
  'columnMapping',
  'timestampNtz',
])

/** @throws SluiceError TABLE_UNSUPPORTED naming each feature that a reader must know and Sluice does not */
export function assertReadable(protocol: Protocol, metadata: Metadata, table: string): void {
  const { minReaderVersion: version } = protocol
  if (version !== 1 && version !== 2 && version !== 3) {
    throw unsupported(table, `needs reader version ${version}; Sluice knows 1 to 3`)
  }
  const unknown = (protocol.readerFeatures ?? []).filter((feature) => !READER_FEATURES.has(feature))
  const problems = unknown.filter((feature) => feature !== 'columnMapping' || usesColumnMapping(metadata))
  if (version === 2 && usesColumnMapping(metadata)) problems.push('columnMapping')
  if (problems.length > 0) throw unsupported(table, `uses ${names(problems)}, which Sluice cannot read`)
  if (metadata.format.provider !== 'parquet') {
    throw unsupported(table, `keeps its data as ${metadata.format.provider}; Sluice reads Parquet`)
  }
}

/**
 * @param changesExistingRows anything but adding rows
 * @throws SluiceError TABLE_UNSUPPORTED naming each feature that a writer must honour and Sluice does not
 */
export function assertWritable(
  protocol: Protocol,
  metadata: Metadata,
  table: string,
  changesExistingRows: boolean,
): void {
  const { minWriterVersion: version } = protocol
  if (version < 1 || version > 7) throw unsupported(table, `needs writer version ${version}; Sluice knows 1 to 7`)
  const unknown = (protocol.writerFeatures ?? []).filter((feature) => !WRITER_FEATURES.has(feature))
  const problems = [...unknown, ...usedFeatures(metadata)]
  if (problems.length > 0) throw unsupported(table, `uses ${names(problems)}, which Sluice cannot write`)
  if (changesExistingRows && metadata.configuration['delta.appendOnly'] === 'true') {
    throw unsupported(table, 'is append-only (delta.appendOnly), so only mode append may write it')
  }
}

/** The lowest protocol that a table with these columns needs, never below the one it has. */
export function protocolFor(fields: DeltaField[], current: Protocol | null): Protocol {
  const plain = current ?? { minReaderVersion: 1, minWriterVersion: 2 }
  if (!fields.some((field) => contains(field.type, 'timestamp_ntz'))) return plain
  const has = plain.readerFeatures?.includes('timestampNtz') && plain.writerFeatures?.includes('timestampNtz')
  if (has) return plain
  return {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: [...(plain.readerFeatures ?? []), 'timestampNtz'],
    // Going to version 7 makes features explicit: what version 2 implied has to be listed or would be lost.
    writerFeatures: [
      ...new Set([...(plain.writerFeatures ?? impliedFeatures(plain.minWriterVersion)), 'timestampNtz']),
    ],
  }
}

function impliedFeatures(writerVersion: number): string[] {
  const since: [number, string[]][] = [
    [2, ['appendOnly', 'invariants']],
    [3, ['checkConstraints']],
    [4, ['changeDataFeed', 'generatedColumns']],
    [5, ['columnMapping']],
    [6, ['identityColumns']],
  ]
  return since.filter(([version]) => writerVersion >= version).flatMap(([, features]) => features)
}

function usedFeatures(metadata: Metadata): string[] {
  const settings = metadata.configuration
  const used = new Set<string>()
  if (Object.keys(settings).some((key) => key.startsWith('delta.constraints.'))) used.add('checkConstraints')
  if (settings['delta.enableChangeDataFeed'] === 'true') used.add('changeDataFeed')
  if (settings['delta.enableRowTracking'] === 'true') used.add('rowTracking')
  if (usesColumnMapping(metadata)) used.add('columnMapping')
  for (const key of metadataKeys(parseSchema(metadata.schemaString))) {
    if (key === 'delta.invariants') used.add('invariants')
    if (key === 'delta.generationExpression') used.add('generatedColumns')
    if (key.startsWith('delta.identity.')) used.add('identityColumns')
    if (key === 'CURRENT_DEFAULT') used.add('allowColumnDefaults')
  }
  return [...used]
}

function usesColumnMapping(metadata: Metadata): boolean {
  const mode = metadata.configuration['delta.columnMapping.mode']
  return mode !== undefined && mode !== 'none'
}

function metadataKeys(fields: DeltaField[]): string[] {
  return fields.flatMap((field) => [...Object.keys(field.metadata), ...metadataKeys(innerFields(field.type))])
}

function innerFields(type: DeltaType): DeltaField[] {
  if (typeof type === 'string') return []
  if (type.type === 'struct') return type.fields
  if (type.type === 'array') return innerFields(type.elementType)
  return [...innerFields(type.keyType), ...innerFields(type.valueType)]
}

function contains(type: DeltaType, name: string): boolean {
  if (typeof type === 'string') return type === name
  if (type.type === 'struct') return type.fields.some((field) => contains(field.type, name))
  if (type.type === 'array') return contains(type.elementType, name)
  return contains(type.keyType, name) || contains(type.valueType, name)
}

function names(features: string[]): string {
  return `the ${features.length === 1 ? 'feature' : 'features'} ${[...new Set(features)].join(', ')}`
}

function unsupported(table: string, sentence: string): SluiceError {
  return new SluiceError('TABLE_UNSUPPORTED', `Table ${table} ${sentence}.`, { retryable: false })
}
