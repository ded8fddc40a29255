import fc from 'fast-check'

/** A value of the run, a second one, and things that are no value, as words of a script. */
const HOLES = ['{{ params.p }}', '{{ params.p }}', '{{ params.q }}']
const WORDS = [
  'x',
  'n',
  'a',
  '1',
  '-v',
  '-i',
  '--',
  '-n',
  '"a b"',
  "'it'",
  '$x',
  '"$n"',
  "$'a'",
  'a[0]',
  '-eq',
  '==',
  '}',
  ']',
]
const NAMES = ['x', 'n', 'a', 'a[0]', 'RANDOM', 'r']

const oneOf = (...texts: string[]) => fc.constantFrom(...texts)
const joined = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((texts) => texts.join(''))

/**
 * Scripts of bash as people nest them, and nearly so: tests in parentheses, declarations in functions, lists, loops, `case`,
 * substitutions. Names are few, so that what is declared at one place is assigned at another; any word may be a value.
 */
export const script: fc.Arbitrary<string> = fc.letrec<
  Record<'word' | 'words' | 'condition' | 'command' | 'script', string>
>((tie) => ({
  word: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { arbitrary: oneOf(...WORDS), weight: 3 },
    { arbitrary: oneOf(...HOLES), weight: 5 },
    { arbitrary: joined(oneOf('x', '-v', 'n=', '-', '"b "', 'a[', '[', '{', '1,'), oneOf(...HOLES)), weight: 1 },
    { arbitrary: joined(oneOf(...HOLES), oneOf('x', ']', '=1', '"b"', '}', '[0]')), weight: 1 },
    { arbitrary: joined(oneOf('$(', '"$('), tie('command'), oneOf(')', ')"')), weight: 1 },
    { arbitrary: joined(oneOf('${x:-', '"${x:-', '$((', '`'), tie('word'), oneOf('}', '}"', '))', '`')), weight: 1 },
  ),
  words: joined(tie('word'), oneOf(' ', ' \\\n ', '\t'), fc.oneof(tie('word'), fc.constant(''))),
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { arbitrary: tie('word'), weight: 2 },
    { arbitrary: joined(oneOf('-v ', '-n ', '! ', '-R ', '! -v '), tie('word')), weight: 3 },
    {
      arbitrary: joined(tie('word'), oneOf(' -eq ', ' -gt ', ' == ', ' =~ ', ' \\\n -lt ', ' < '), tie('word')),
      weight: 6,
    },
    { arbitrary: joined(oneOf('( ', '('), tie('condition'), oneOf(' )', ')')), weight: 3 },
    { arbitrary: joined(tie('condition'), oneOf(' && ', ' || ', '\n|| '), tie('condition')), weight: 2 },
  ),
  command: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { arbitrary: joined(oneOf('seen ', ': ', 'echo '), tie('words')), weight: 3 },
    { arbitrary: joined(oneOf(...NAMES), oneOf('=', '+='), tie('word')), weight: 4 },
    { arbitrary: joined(oneOf('a', 'x'), oneOf('=(', '+=('), tie('words'), oneOf(')', '=1)')), weight: 2 },
    { arbitrary: joined(oneOf('a[', 'a[ ', 'a[b[0]+'), tie('word'), oneOf(']=1', ' ]=1')), weight: 2 },
    {
      arbitrary: joined(
        oneOf('declare', 'local', 'typeset', 'readonly', 'export', '\\declare', 'command declare'),
        oneOf(' ', ' -i ', ' -a ', ' -n ', ' -gi ', ' -x ', ' \\\n -ai '),
        fc.oneof(joined(oneOf('n=', 'x=', 'r=', 'n', 'a=('), fc.oneof(tie('word'), fc.constant(''))), tie('word')),
      ),
      weight: 5,
    },
    { arbitrary: joined(oneOf('[[ '), tie('condition'), oneOf(' ]]')), weight: 6 },
    { arbitrary: joined(oneOf('[ ', 'test '), tie('condition'), oneOf(' ]', '')), weight: 3 },
    {
      arbitrary: joined(
        oneOf(
          'let ',
          'eval ',
          'read ',
          'unset ',
          'printf ',
          'printf -v x %s ',
          "printf '%s' ",
          'trap ',
          'bash -c ',
          '/bin/bash ',
        ),
        tie('words'),
      ),
      weight: 4,
    },
    {
      arbitrary: joined(oneOf('read x <<< ', ': > ', 'printf &> y ', ': <<E\n'), tie('words'), oneOf('', '\nE')),
      weight: 2,
    },
    {
      arbitrary: joined(
        oneOf('for n in ', 'for x in '),
        tie('words'),
        fc.constant('; do '),
        tie('script'),
        fc.constant('; done'),
      ),
      weight: 1,
    },
    {
      arbitrary: joined(fc.constant('if '), tie('script'), fc.constant('; then '), tie('script'), fc.constant('; fi')),
      weight: 2,
    },
    {
      arbitrary: joined(
        fc.constant('case '),
        tie('word'),
        oneOf(' in a) ', ' in (*) '),
        tie('script'),
        fc.constant(' ;; esac'),
      ),
      weight: 1,
    },
    {
      arbitrary: joined(oneOf('( ', '{ ', 'f() { ', 'function f { '), tie('script'), oneOf(' )', '; }', '; }; f')),
      weight: 4,
    },
  ),
  script: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { arbitrary: tie('command'), weight: 2 },
    { arbitrary: joined(tie('script'), oneOf('; ', '\n', ' || ', ' && ', ' | ', ' # it\n'), tie('script')), weight: 3 },
  ),
})).script
