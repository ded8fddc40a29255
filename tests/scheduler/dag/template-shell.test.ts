import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { written } from '../../../scheduler/dag/template-values.js'
import { script } from './bash-grammar.js'
import { HARMFUL, run } from './run-bash.js'
import { compile, dagWith, goodDag, project, rendered } from './subject.js'

/** Where a value is quoted and bash makes a command of it all the same: no such place takes one. */

const FUZZ = process.env.SLUICE_FUZZ
const VALUE = '{{ params.p }}'
const PARAMS = [
  'params: { p: { type: string, default: x }, q: { type: string, default: x }, list: { type: array, default: [] } }',
]

let root: string

beforeEach(() => {
  root = project()
})

const dagOf = (text: string) => dagWith(PARAMS, [`bash: ${JSON.stringify(text)}`])
const isTaken = (text: string) => compile(dagOf(text), { root }).dag !== null
const command = (text: string, params: { p?: string; q?: string; list?: string[] }) =>
  String(rendered(goodDag(dagOf(text), { root }), { params: { p: 'x', q: 'x', list: [], ...params } }).config.command)

const SUBSCRIPT = 'a[$(: > harm)]'

/** A script, and the value that becomes a command in it. */
const DANGEROUS: [string, string?][] = [
  [`[[ ( ${VALUE} -gt 5 ) || a == b ]]`],
  [`[[ ( 1 == 2 || ( 5 -lt ${VALUE} ) ) ]]`],
  [`[[ ( -v ${VALUE} ) ]]`],
  [`[[ ${VALUE} \\\n -gt 5 ]]`],
  [`[[ ! ${VALUE}x -gt 5 ]]`],
  [`[[ a == a && ${VALUE} -gt 5 ]]`],
  [`[[ a == a\n&& ${VALUE} -gt 5 ]]`],
  [`declare -i n=${VALUE}`],
  [`declare -ai n=(${VALUE})`],
  [`\\declare -xi n=${VALUE}`],
  [`command declare -i n=${VALUE}`],
  [`X=1 typeset -i n=${VALUE}`],
  [`f() { local -i n=${VALUE}; }; f`],
  [`f() { local -x -i n; n=${VALUE}; }; f`],
  [`declare -i n; n=${VALUE}`],
  [`declare -i n; n+=${VALUE}`],
  [`for x in 1 2; do n=${VALUE}; declare -i n; done`],
  [`declare -i n; for n in ${VALUE}; do :; done`],
  [`declare -i n; read -r n <<< ${VALUE}`],
  [`declare -i n; printf -v n %s ${VALUE}`],
  [`declare -i a; a=(${VALUE})`],
  [`declare -n r=${VALUE}; r=1`],
  [`declare -n r; r=${VALUE}; : $r`],
  [`declare -a x=${VALUE}`, '($(: > harm))'],
  [`x=(1); declare x=${VALUE}`, '($(: > harm))'],
  [`declare ${VALUE}`, 'a[$(: > harm)]=1'],
  [`declare ${VALUE}=1`],
  [`RANDOM=${VALUE}`],
  [`PS4=${VALUE}; set -x; :`, '$(: > harm)'],
  [`export BASH_ENV=${VALUE}; /bin/bash -c :`, '$(: > harm)'],
  [`a[${VALUE}]=1`],
  [`a[ ${VALUE} ]=1`],
  [`a[b[1]+${VALUE}]=1`],
  [`x=([${VALUE}]=1)`],
  [`x=(1 2\n[0+${VALUE}]=1)`],
  [`{a[${VALUE}]}> y`],
  [`read -r ${VALUE} <<< x`],
  [`: & wait -n -p ${VALUE}`],
  [`printf ${VALUE} x`, '-va[$(: > harm)]'],
  [`printf -v ${VALUE} x`],
  [`printf &> y ${VALUE} x`, '-va[$(: > harm)]'],
  [`printf 2> y ${VALUE} x`, '-va[$(: > harm)]'],
  [`test -v ${VALUE}`],
  [`[ a = a -a -v ${VALUE} ]`],
  [`let n=${VALUE}`],
  [`if let n=${VALUE}; then :; fi`],
  [`eval ${VALUE}`, ': > harm'],
  [`builtin eval ${VALUE}`, ': > harm'],
  [`eval : ":;"${VALUE}`, ': > harm'],
  [`trap ${VALUE} EXIT`, ': > harm'],
  [`/bin/bash -c ${VALUE}`, ': > harm'],
  [`exec -a x /bin/bash -eo pipefail -c -- ${VALUE}`, ': > harm'],
  [`/bin/bash <<< ${VALUE}`, ': > harm'],
  [`. /dev/stdin <<< ${VALUE}`, ': > harm'],
  [`mapfile -C ${VALUE} -c 1 x <<< a`, ': > harm;'],
  [`shopt -s expand_aliases; alias x=${VALUE}\nx`, ': > harm'],
  [`{declare,-i,n=${VALUE}}`],
  [`$'\\x6cet' n=${VALUE}`],
  [`[[ a == @(#'|b) ]]\nseen ${VALUE}') ]]`, ') ]] || :; : > harm; [[ a == @(a'],
]

describe('a place where bash evaluates what is quoted', { timeout: 60_000 }, () => {
  it.each(DANGEROUS)('%s', (text, value = SUBSCRIPT) => {
    expect(run(text.replaceAll(VALUE, written(value, 'shell'))).harmed).toBe(true)
    expect(isTaken(text)).toBe(false)
  })

  it('takes harmless values only, in a version of a DAG from before it was refused', () => {
    const dag = goodDag(dagOf(`seen ${VALUE}`), { root })
    const tasks = dag.tasks.map((task) => ({ ...task, config: { command: `declare -i n=${VALUE}` } }))
    const renderedWith = (p: string) => rendered({ ...dag, tasks }, { params: { p } }).config.command
    expect(renderedWith('12')).toBe("declare -i n='12'")
    expect(() => renderedWith(SUBSCRIPT)).toThrow(/stands inside a declaration that bash may evaluate, where its value/)
  })

  it.each([
    ['[ {{ params.list }} ]', ['-v', SUBSCRIPT]],
    ['[ -n {{ params.list }} ]', ['x', '-o', '-v', SUBSCRIPT]],
    ['read -r x <<< {{ params.list }}', ['x', SUBSCRIPT]],
  ])('takes no list that would be more words: %s', (text, list) => {
    expect(run(text.replace('{{ params.list }}', written(list, 'shell'))).harmed).toBe(true)
    expect(() => command(text, { list })).toThrow(/is a list, .* where bash takes one word only/)
  })
})

describe('a script as people write them takes values', () => {
  it.each([
    [`set -euo pipefail\nexport REGION=${VALUE} MODE=full\n./load.sh --region "$REGION"`],
    [`f() { local day=${VALUE}; seen "$day"; }\nf`],
    [`declare -r day=${VALUE}; readonly x=${VALUE}`],
    [`cd "$DIR" && dbt test --select ${VALUE} -v`],
    [`kubectl wait --for=condition=${VALUE} job/x`],
    [`"$PYTHON" load.py --day ${VALUE} --out=s3://lake/${VALUE}/x`],
    [`printf '%s\\n' ${VALUE} | tee out; printf -v x '%s' ${VALUE}`],
    [`printf '{"text": "Hello, %s"}' ${VALUE} > "$OUTPUTS"; printf "{%s}" ${VALUE}`],
    [`[ '{}' != ${VALUE} ] && echo "{ $x }" ${VALUE}`],
    [`read -r x <<< ${VALUE}`],
    [`[[ ( ${VALUE} == a || -n ${VALUE} ) && ! ${VALUE} =~ ^x ]] && seen a`],
    [`[ ${VALUE} -gt 5 ] || test ${VALUE} != a; [ ! ${VALUE} ]; [ -f /data/${VALUE}.csv ]`],
    [`while read -r line; do seen "$line" ${VALUE}; done < <(grep ${VALUE} file) 2>&1 > /tmp/${VALUE}`],
    [`for x in a ${VALUE}; do seen "\${x%.csv}"; done`],
    [`bash -c 'echo "$1"' _ ${VALUE}; ssh host uptime ${VALUE}`],
    [`x=(a ${VALUE}); x[0]=${VALUE}; seen "\${x[@]}"; ls data[0-9]*.csv ${VALUE}`],
    [`declare -i count=0; seen ${VALUE}; count=$((count + 1))`],
    [`out=$(docker run -it --rm -e DAY=${VALUE} image:1.2 ${VALUE})`],
    [`sudo -u load FOO=${VALUE} ./x ${VALUE} >> log 2>&1 &\nwait`],
    [`seen {{ params.list }} ${VALUE}`],
  ])('%s', (text) => {
    const { dag, problems } = compile(dagOf(text), { root })
    expect([dag === null, problems]).toEqual([false, []])
  })
})

it('no script that is taken makes a command of a value', { timeout: 600_000 }, () => {
  let taken = 0
  fc.assert(
    fc.property(
      script.filter((text) => text.includes('{{')),
      fc.constantFrom(...HARMFUL),
      fc.constantFrom('-v', '!', '=', '-n', '--', '-a', '(', '[', ...HARMFUL),
      (text, p, q) => {
        fc.pre(isTaken(text))
        taken += 1
        expect([text, p, q, run(command(text, { p, q })).harmed]).toEqual([text, p, q, false])
      },
    ),
    FUZZ === undefined ? { numRuns: 400, seed: 20_261_123 } : { numRuns: Number(FUZZ) },
  )
  expect(taken).toBeGreaterThan(300)
})
