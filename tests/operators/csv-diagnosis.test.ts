import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { SluiceError } from '../../errors.js'
import { type CsvFault, firstFault } from '../../operators/tables/csv-diagnosis.js'
import { fileFailure } from '../../operators/tables/file-failure.js'
import { failureOf, TestProject } from './operator-context.js'

const project = new TestProject()
afterAll(() => project.remove())

const NEVER = new AbortController().signal
const file = join(project.dags, 'x.csv')

function faultOf(text: string, delimiter = ','): Promise<CsvFault | null> {
  writeFileSync(file, text)
  return firstFault(file, delimiter, NEVER)
}

const quoted = (field: string) => `"${field.replaceAll('"', '""')}"`
const field = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r', ' ', ';') }).map(quoted),
  fc.constantFrom('', 'x', '5" pipe', "it's"),
)
/** A blank line is no row of one empty field, so tables have two columns at least. */
const table = fc
  .integer({ min: 2, max: 4 })
  .chain((width) => fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 20 }))

describe('firstFault', () => {
  it('finds none in a table, whatever its fields hold', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n', '\n\n'), async (rows, end) => {
        expect(await faultOf(rows.map((row) => row.join(',')).join(end))).toBeNull()
      }),
      { numRuns: 200 },
    )
  })

  it('finds the line of a row with another number of fields', async () => {
    await fc.assert(
      fc.asyncProperty(table, fc.boolean(), async (rows, longer) => {
        const before = `${rows.map((row) => row.join(',')).join('\n')}\n`
        const width = rows[0]?.length ?? 0
        const found = longer ? width + 1 : width - 1
        const fields = found === 1 ? '1 field' : `${found} fields`
        expect(await faultOf(`${before}${Array(found).fill('z').join(',')}\n`)).toEqual({
          line: before.split('\n').length,
          problem: `${fields}, but the first row has ${width}`,
        })
      }),
      { numRuns: 200 },
    )
  })

  it('finds a quote without an end where its row begins', async () => {
    expect(await faultOf('a,b\n1,2\n3,"4\n5,6\n')).toEqual({ line: 3, problem: 'a quote without an end' })
  })

  it('says nothing about what it cannot read', async () => {
    expect(await faultOf('a||b\n1\n', '||')).toBeNull()
    const compressed = join(project.dags, 'x.csv.zst')
    writeFileSync(compressed, '1\n1,2\n')
    expect(await firstFault(compressed, ',', NEVER)).toBeNull()
  })

  it('can be stopped', async () => {
    writeFileSync(file, 'a,b\n')
    const reason = new SluiceError('CANCELLED', 'Cancelled by ada.')
    expect(await failureOf(firstFault(file, ',', AbortSignal.abort(reason)))).toBe(reason)
  })
})

describe('fileFailure', () => {
  const files = { paths: [file], origins: ['dags/rows.csv'], delimiter: ',', signal: NEVER }

  it('leaves alone what is not about the content of files', async () => {
    const others = [
      new SluiceError('COMMIT_CONFLICT', 'Others kept winning.', {
        cause: new Error('CSV Error on Line: 3\nfile = /x'),
      }),
      new SluiceError('SQL_FAILED', 'The SQL failed: no such column.', { cause: new Error('Binder Error: no') }),
      new Error('a defect'),
    ]
    for (const error of others) expect(await fileFailure(error, files)).toBe(error)
  })

  it('has a sentence when it finds nothing', async () => {
    writeFileSync(file, 'a,b\n1,2\n')
    const error = new SluiceError('SQL_FAILED', 'x', {
      cause: new Error('Invalid Input Error: Error when sniffing file "".'),
    })
    expect(await fileFailure(error, files)).toMatchObject({
      code: 'FILE_INVALID',
      message: 'The files cannot be read as CSV in UTF-8 with the delimiter ",".',
      cause: error,
    })
  })
})
