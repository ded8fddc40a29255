import type { JsonObject } from '../../../json.js'
import type { TableField } from '../schema.js'
import type { PartitionSpec } from './metadata.js'
import { avroType, resultType } from './partitions.js'

/** Avro schemas of manifest lists and manifests of version 2, with the field ids of the Iceberg specification. */

const required = (id: number, name: string, type: string): JsonObject => ({ name, type, 'field-id': id })
const optional = (id: number, name: string, type: string | JsonObject): JsonObject => ({
  name,
  type: ['null', type],
  default: null,
  'field-id': id,
})
const list = (elementId: number, items: string | JsonObject): JsonObject => ({
  type: 'array',
  items,
  'element-id': elementId,
})
/** Maps with keys that are no texts are lists of pairs in Avro. */
const map = (keyId: number, valueId: number, value: string): JsonObject => ({
  type: 'array',
  logicalType: 'map',
  items: {
    type: 'record',
    name: `k${keyId}_v${valueId}`,
    fields: [required(keyId, 'key', 'int'), required(valueId, 'value', value)],
  },
})

export const MANIFEST_LIST_SCHEMA: JsonObject = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    required(500, 'manifest_path', 'string'),
    required(501, 'manifest_length', 'long'),
    required(502, 'partition_spec_id', 'int'),
    required(517, 'content', 'int'),
    required(515, 'sequence_number', 'long'),
    required(516, 'min_sequence_number', 'long'),
    required(503, 'added_snapshot_id', 'long'),
    required(504, 'added_files_count', 'int'),
    required(505, 'existing_files_count', 'int'),
    required(506, 'deleted_files_count', 'int'),
    required(512, 'added_rows_count', 'long'),
    required(513, 'existing_rows_count', 'long'),
    required(514, 'deleted_rows_count', 'long'),
    optional(
      507,
      'partitions',
      list(508, {
        type: 'record',
        name: 'r508',
        fields: [
          required(509, 'contains_null', 'boolean'),
          optional(518, 'contains_nan', 'boolean'),
          optional(510, 'lower_bound', 'bytes'),
          optional(511, 'upper_bound', 'bytes'),
        ],
      }),
    ),
    optional(519, 'key_metadata', 'bytes'),
  ],
}

/**
 * The Avro schema of a manifest of format version 2 whose files are partitioned by this spec (Iceberg spec,
 * "Manifests").
 * @param fields all columns that the spec's sources may be among
 */
export function manifestSchema(spec: PartitionSpec, fields: TableField[]): JsonObject {
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      required(0, 'status', 'int'),
      optional(1, 'snapshot_id', 'long'),
      optional(3, 'sequence_number', 'long'),
      optional(4, 'file_sequence_number', 'long'),
      { name: 'data_file', type: dataFileSchema(spec, fields), 'field-id': 2 },
    ],
  }
}

function dataFileSchema(spec: PartitionSpec, fields: TableField[]): JsonObject {
  return {
    type: 'record',
    name: 'r2',
    fields: [
      required(134, 'content', 'int'),
      required(100, 'file_path', 'string'),
      required(101, 'file_format', 'string'),
      { name: 'partition', type: partitionSchema(spec, fields), 'field-id': 102 },
      required(103, 'record_count', 'long'),
      required(104, 'file_size_in_bytes', 'long'),
      optional(108, 'column_sizes', map(117, 118, 'long')),
      optional(109, 'value_counts', map(119, 120, 'long')),
      optional(110, 'null_value_counts', map(121, 122, 'long')),
      optional(137, 'nan_value_counts', map(138, 139, 'long')),
      optional(125, 'lower_bounds', map(126, 127, 'bytes')),
      optional(128, 'upper_bounds', map(129, 130, 'bytes')),
      optional(131, 'key_metadata', 'bytes'),
      optional(132, 'split_offsets', list(133, 'long')),
      optional(135, 'equality_ids', list(136, 'int')),
      optional(140, 'sort_order_id', 'int'),
      optional(143, 'referenced_data_file', 'string'),
    ],
  }
}

function partitionSchema(spec: PartitionSpec, fields: TableField[]): JsonObject {
  return {
    type: 'record',
    name: 'r102',
    fields: spec.fields.map((field, index) => {
      const id = field['field-id'] ?? 1000 + index
      const source = fields.find((candidate) => candidate.id === field['source-id'])?.type ?? 'string'
      return optional(id, avroName(field.name), avroType(resultType(field.transform, source), id))
    }),
  }
}

/** A name as Avro allows it, made in Iceberg's way. */
export function avroName(name: string): string {
  const escaped = name.replace(
    /[^A-Za-z0-9_]/g,
    (character) => `_x${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return /^\d/.test(escaped) ? `_${escaped}` : escaped
}
