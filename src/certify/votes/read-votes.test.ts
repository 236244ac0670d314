/** Files as spreadsheets, R, pandas, NumPy and shells write them: read as they are meant, or refused with the line. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type NpyArray, type NpyDtype, writeNpy } from '../../format/npy.ts'
import { type ImportOptions, importBallots } from '../import-votes.ts'
import { ballotsOfInput, votesOfInput } from '../rules/ballot.ts'
import { describeReading } from './reading.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-read-votes-'))
afterAll(() => rmSync(folder, { recursive: true }))

let written = 0
function file(content: string | Uint8Array, name = 'votes.csv'): string {
  const location = path.join(folder, `${written++}-${name}`)
  writeFileSync(location, content)
  return location
}

/** What was read: votes of each input (3: an abstention), ids, true classes. */
async function read(content: string | Uint8Array, options: Partial<ImportOptions> = {}) {
  const { ballots, ids, labels, reading } = await importBallots(file(content), {
    kind: 'votes',
    classes: 3,
    ...options,
  })
  return {
    votes: Array.from({ length: ballots.inputs }, (_, t) => [...votesOfInput(ballots, t)]),
    ids,
    labels,
    reading,
    text: reading === undefined ? '' : describeReading(reading),
  }
}

const votes = [
  [0, 1, 2],
  [2, 2, 1],
]
const ids = ['a', 'b']
const utf16 = (text: string, little: boolean): Uint8Array => {
  const bytes = Buffer.from(`\uFEFF${text}`, 'utf16le')
  return little ? bytes : bytes.swap16()
}

describe('the same votes, ids and true classes are read from', () => {
  test.each<[string, string | Uint8Array, Partial<ImportOptions>?]>([
    ['a plain CSV', 'id,label,l0,l1,l2\na,0,0,1,2\nb,1,2,2,1\n'],
    ['quotes, as R writes them', '"id","label","l0","l1","l2"\n"a",0,0,1,2\n"b",1,2,2,1\n'],
    ["R's row names", '"","label","l1","l2","l3"\n"a",0,0,1,2\n"b",1,2,2,1\n'],
    ["R's write.table", '"label" "l1" "l2" "l3"\n"a" 0 0 1 2\n"b" 1 2 2 1\n'],
    ['an index of pandas', ',id,y_true,learner_0,learner_1,learner_2\n0,a,0,0,1,2\n1,b,1,2,2,1\n'],
    ['an index that was read back', 'Unnamed: 0,id,target,m0,m1,m2\n0,a,0.0,0,1,2\n1,b,1.0,2,2,1\n'],
    ['readr', '...1,label,vote1,vote2,vote3\na,0,0,1,2\nb,1,2,2,1\n'],
    ['blanks around names and values', ' id , Ground Truth , l0 ,l1, l2\n a , 0 , 0, 1 , 2\nb,1,2,2,1\n'],
    ['semicolons', 'id;label;l0;l1;l2\r\na;0;0;1;2\r\nb;1;2;2;1\r\n'],
    ['a line for Excel', 'sep=;\nid;label;l0;l1;l2\na;0;0;1;2\nb;1;2;2;1\n'],
    ['rows filled up by a spreadsheet', 'id,label,l0,l1,l2,\na,0,0,1,2,\nb,1,2,2,1,\n,,,,,\n'],
    ['tabs', 'id\tlabel\tl0\tl1\tl2\na\t0\t0\t1\t2\nb\t1\t2\t2\t1\n'],
    ['bars', 'id|label|l0|l1|l2\na|0|0|1|2\nb|1|2|2|1'],
    ['blanks as columns', 'id   label l0 l1 l2\na     0     0  1  2\nb     1     2  2  1\n'],
    ['a byte order mark', '\uFEFFid,label,l0,l1,l2\na,0,0,1,2\nb,1,2,2,1\n'],
    ['UTF-16, little-endian', utf16('id\tlabel\tl0\tl1\tl2\na\t0\t0\t1\t2\nb\t1\t2\t2\t1\n', true)],
    ['UTF-16, big-endian', utf16('id\tlabel\tl0\tl1\tl2\na\t0\t0\t1\t2\nb\t1\t2\t2\t1\n', false)],
    ['a header of numpy.savetxt', '# id,label,l0,l1,l2\na,0,0,1,2\nb,1,2,2,1\n'],
    ['learners in another order', 'id,label,l2,l0,l1\na,0,2,0,1\nb,1,1,2,2\n'],
    ['true classes last, under another name', 'path,l0,l1,l2,truth\na,0,1,2,0\nb,2,2,1,1\n'],
    [
      'true classes under a name of their own',
      'id,l0,l1,l2,wahrheit\na,0,1,2,0\nb,2,2,1,1\n',
      { labelColumn: 'wahrheit' },
    ],
    ['ids under a name of their own', 'clé,label,l0,l1,l2\na,0,0,1,2\nb,1,2,2,1\n', { idColumn: 'clé' }],
    ['learners under names of their own', 'id,label,resnet,vit,swin\na,0,0,1,2\nb,1,2,2,1\n', { learners: 3 }],
    ['columns that pandas has numbered', 'id,label,0,1,2\na,0,0,1,2\nb,1,2,2,1\n', { learners: 3 }],
    ['classes counted from 1', 'id,label,l0,l1,l2\na,1,1,2,3\nb,2,3,3,2\n', { firstClass: 1 }],
    ['names of classes', 'id,label,l0,l1,l2\na,x,x,y,z\nb,y,z,z,y\n', { classNames: ['x', 'y', 'z'] }],
    [
      'names with accents, composed and apart',
      `id,label,l0,l1,l2\na,${'ü'.normalize('NFD')},${'ü'.normalize('NFC')},y,z\nb,y,z,z,y\n`,
      { classNames: ['ü'.normalize('NFD'), 'y', 'z'] },
    ],
    ['names that are numbers', 'id,label,l0,l1,l2\na,9,9,10,11\nb,10,11,11.0,10\n', { classNames: ['9', '10', '11'] }],
  ])('%s', async (_, content, options) => {
    const found = await read(content, options)
    expect(found.votes).toEqual(votes)
    expect(found.ids).toEqual(ids)
    expect(found.labels).toEqual([0, 1])
  })
})

test('ids hold quotes that R escapes with a backslash', async () => {
  const found = await read('"id","label","l0","l1","l2"\n"a \\"1\\", b",0,0,1,2\n"b",1,2,2,1\n')
  expect(found).toMatchObject({ votes, ids: ['a "1", b', 'b'], labels: [0, 1] })
})

test('a file without a header keeps its first input', async () => {
  const content = '0,1,2\n2,2,1\n'
  await expect(read(content)).rejects.toThrow(/--header|first line|numbers of the columns/)
  expect((await read(content, { header: false, learners: 3 })).votes).toEqual(votes)
  expect((await read('2,2,1\n0,1,2\n', { learners: 3 })).votes).toEqual(votes.toReversed())
  await expect(read('2,2,1\n0,1,2\n')).rejects.toThrow(/unknown whether its 3 columns are base classifiers/)
  await expect(read('2,2,1\n0,1,2\n', { learners: 2 })).rejects.toThrow(/classifiers need 2 columns, but it has 3/)
  await expect(read('v0,2,2,1\nv1,0,1,2\n', { learners: 3 })).rejects.toThrow(/line 1 has numbers/)
  // The votes of the first input could be the numbers of columns.
  await expect(read('v0,0,1,2\nv1,2,2,1\n', { learners: 3 })).rejects.toThrow(/line 1 has numbers/)
  await expect(read('v0,x,y\nv1,y,y\n', { learners: 2, classNames: ['x', 'y', 'z'] })).rejects.toThrow(
    /has the class x/,
  )
  await expect(read('#1,0,1\n2,1,1\n', { learners: 2 })).rejects.toThrow(/line 1 may be/)
})

describe('a column that is not surely a learner never votes:', () => {
  test.each<[string, string, RegExp]>([
    ['an unknown name', 'id,fold,l0,l1\na,0,0,1\n', /not certain .*"fold", "l0", "l1"/],
    ['the answer of the ensemble', 'id,l0,l1,ensemble\na,0,0,1\n', /not certain .*ensemble/],
    ['true classes under an unknown name', 'id,wahrheit,l0,l1\na,0,0,1\n', /not certain .*wahrheit/],
    ['numbered columns of anything', 'id,x0,x1\na,0,1\n', /"x" is not a usual name/],
    ["R's names for columns without one", '"","V1","V2"\n"a",0,1\n', /"v" is not a usual name/],
    ['numbers for names', 'id,0,1,2\na,0,1,0\n', /their names are numbers/],
    ['a gap among the learners', 'id,l0,l1,l3\na,0,1,0\n', /without a gap/],
    ['learners from the middle on', 'id,l4,l5\na,0,1\n', /without a gap/],
    ['two columns of one name', 'id,l0,l0\na,0,1\n', /two columns are named "l0"/],
    ['two columns of true classes', 'id,label,truth,l0\na,0,0,1\n', /"label" and "truth" may both be the true class/],
    ['a column that is not there', 'id,l0\na,0\n', /no column is named "missing"/],
  ])('%s', async (name, content, message) => {
    const options = name === 'a column that is not there' ? { labelColumn: 'missing' } : {}
    await expect(read(content, options)).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringMatching(message),
    })
  })

  test('more columns than learners', async () => {
    await expect(read('id,a,b,c\nx,0,1,0\n', { learners: 2 })).rejects.toThrow(
      /2 columns, but 3 are left .*"a", "b", "c"/,
    )
  })
})

describe('a value that is no vote is refused with its line and column:', () => {
  test.each<[string, string, RegExp, Partial<ImportOptions>?]>([
    ['empty', 'id,l0,l1\na,0,\n', /line 2, column l1 is empty: write -1 for an abstention/],
    ['missing in R', 'id,l0,l1\na,0,NA\n', /line 2, column l1 is empty/],
    ['the class behind the last', 'id,l0,l1\na,0,1\nb,3,0\n', /line 3, column l0 is "3", which is not a class: 0 to 2/],
    ['class 0 where they are counted from 1', 'id,l0\na,0\n', /not a class: 1 to 3/, { firstClass: 1 }],
    ['a fraction', 'id,l0\na,0.5\n', /is "0.5"/],
    ['a decimal comma', 'id;l0\na;1,0\n', /is "1,0"/],
    ['hexadecimal', 'id,l0\na,0x1\n', /is "0x1"/],
    ['another negative number', 'id,l0\na,-2\n', /is "-2"/],
    [
      'an index where names are numbers',
      'id,l0\na,0\n',
      /is "0", which is not a class: 7, 8, 9/,
      { classNames: ['7', '8', '9'] },
    ],
    ['a label beyond the classes', 'id,label,l0\na,9,0\n', /column label is "9"/],
    ['a label of -1', 'id,label,l0\na,-1,0\n', /column label is -1: leave .* empty/],
    ['equal ids', 'id,l0\na,0\nb,1\na,0\n', /line 4 has the same id as line 2, "a"/],
    ['no id', 'id,l0\na,0\n,1\n', /line 3 has no id/],
    ['a line too short', 'id,l0,l1\na,0\n', /line 2 has 2 cells and the header 3/],
    ['a line too long', 'id,l0,l1\na,0,1,1\nb,0,1\n', /line 2 has 4 cells and the header 3/],
    ['an empty line in a file of one column', 'l0\n0\n\n1\n', /line 3 is empty/],
    ['an open quote', 'id,l0\n"a,0\n', /line 2 cannot be read/],
  ])('%s', async (_, content, message, options) => {
    await expect(read(content, options)).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringMatching(message),
    })
  })
})

test('unknown true classes are none, and abstentions are counted', async () => {
  const found = await read('id,label,l0,l1\na,,0,-1\nb,NA,1,1\nc,2,2,-1.0\n#d,1,0,0\n')
  expect(found.labels).toEqual([null, null, 2, 1])
  expect(found.votes).toEqual([
    [0, 3],
    [1, 1],
    [2, 3],
    [0, 0],
  ])
  expect(found.ids).toEqual(['a', 'b', 'c', '#d'])
  expect(found.text).toContain(
    '4 inputs; 2 base classifiers (l0 to l1); 3 classes counted from 0; true classes from "label" (2 unknown)',
  )
  expect(found.text).toContain('ids from "id"; 2 abstentions')
})

test('says what it did not use, and what is worth a second look', async () => {
  const found = await read('index,id,path,l10,l9,l8,l7,l6,l5,l4,l3,l2,l1\n0,a,p,1,1,1,1,1,1,1,1,1,2\n')
  expect(found.reading).toMatchObject({ reordered: true, notUsed: ['"path"', '"index"'] })
  expect(found.text).toContain('ordered by the numbers in their names')
  expect(found.votes[0]).toEqual([2, 1, 1, 1, 1, 1, 1, 1, 1, 1])
  expect(found.reading?.notes.join()).toContain('--first-class 1')
  const rows = Array.from({ length: 12 }, (_, t) => `${t % 3},${t % 3},1,-1`).join('\n')
  const notes = (await read(`label,l0,l1,l2\n${rows}\n`)).reading?.notes.join('; ')
  expect(notes).toMatch(
    /1 base classifier abstains on every input; 1 base classifier votes for the same class on every input; l0: right on/,
  )
})

describe('npy', () => {
  const numbers = [0, 1, 2, 2, 2, 1]
  test.each<[NpyDtype, NpyArray]>([
    ['i1', Int8Array.from(numbers)],
    ['i2', Int16Array.from(numbers)],
    ['i4', Int32Array.from(numbers)],
    ['i8', BigInt64Array.from(numbers.map(BigInt))],
    ['u1', Uint8Array.from(numbers)],
    ['u2', Uint16Array.from(numbers)],
    ['u4', Uint32Array.from(numbers)],
    ['u8', BigUint64Array.from(numbers.map(BigInt))],
    ['f4', Float32Array.from(numbers)],
    ['f8', Float64Array.from(numbers)],
    ['f2', Uint16Array.of(0, 0x3c00, 0x4000, 0x4000, 0x4000, 0x3c00)],
  ])('votes of type %s', async (dtype, data) => {
    const location = file('', `${dtype}.npy`)
    await writeNpy(location, [2, 3], data, dtype)
    const { ballots } = await importBallots(location, { kind: 'votes', classes: 3, learners: 3 })
    expect([0, 1].map((t) => [...votesOfInput(ballots, t)])).toEqual(votes)
  })

  test.each<[string, NpyDtype, NpyArray, number[], Partial<ImportOptions>, RegExp]>([
    ['truth values', 'b1', Uint8Array.of(0, 1), [1, 2], {}, /booleans/],
    ['the class behind the last', 'i4', Int32Array.of(0, 3), [1, 2], {}, /vote at \[0, 1\] is 3, which is not a class/],
    ['an unsigned -1', 'u1', Uint8Array.of(0, 255), [1, 2], {}, /is 255/],
    ['a vote that is no number', 'f4', Float32Array.of(0, Number.NaN), [1, 2], {}, /is NaN/],
    [
      'votes of another number of learners',
      'i4',
      Int32Array.of(0, 1),
      [1, 2],
      { learners: 3 },
      /does not fit 3 base classifiers/,
    ],
    ['scores as votes', 'f4', Float32Array.of(0, 1, 0), [1, 1, 3], {}, /shape is \(1, 1, 3\), but votes have two/],
    ['scores of other classes', 'f4', Float32Array.of(0, 1), [1, 1, 2], { kind: 'scores' }, /scores of 3 classes/],
    [
      'scores that are NaN',
      'f8',
      Float64Array.of(0, Number.NaN, 1),
      [1, 1, 3],
      { kind: 'scores' },
      /score at \[0, 0, 1\] is NaN/,
    ],
    [
      'infinite scores',
      'f4',
      Float32Array.of(0, Number.POSITIVE_INFINITY, 1),
      [1, 1, 3],
      { kind: 'scores' },
      /is infinite/,
    ],
    [
      'scores without an order',
      'f4',
      new Float32Array(3).fill(Number.NEGATIVE_INFINITY),
      [1, 1, 3],
      { kind: 'scores' },
      /all -inf/,
    ],
  ])('refuses %s', async (_, dtype, data, shape, options, message) => {
    const location = file('', 'refused.npy')
    await writeNpy(location, shape, data, dtype)
    await expect(importBallots(location, { kind: 'votes', classes: 3, ...options })).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringMatching(message),
    })
  })

  test('-inf is the last in an order, -1 an abstention, and ties are counted', async () => {
    const location = file('', 'scores.npy')
    await writeNpy(
      location,
      [1, 2, 3],
      Float32Array.of(Number.NEGATIVE_INFINITY, -5, 2, 1, 1, Number.NEGATIVE_INFINITY),
    )
    const { ballots, reading } = await importBallots(location, { kind: 'scores', classes: 3 })
    expect([...ballotsOfInput(ballots, 0)]).toEqual([2, 1, 0, 0, 1, 2])
    expect(reading?.ties).toBe(1)
    const signed = file('', 'signed.npy')
    await writeNpy(signed, [1, 2], Int8Array.of(-1, 2))
    const cast = await importBallots(signed, { kind: 'votes', classes: 3 })
    expect([[...votesOfInput(cast.ballots, 0)], cast.reading?.abstentions]).toEqual([[3, 2], 1])
  })
})

test('scores in text: learner and class by name, decimal commas, seeds', async () => {
  const scores = async (content: string, options: Partial<ImportOptions> = {}) => {
    const { ballots, reading } = await importBallots(file(content), { kind: 'scores', classes: 2, ...options })
    return { ranks: [...ballots.ranks], learners: ballots.learners, reordered: reading?.reordered }
  }
  const expected = { ranks: [1, 0, 0, 1], learners: 2, reordered: false }
  expect(await scores('id,l0_c0,l0_c1,l1_c0,l1_c1\na,.25,1e0,-1,-inf\n')).toEqual(expected)
  expect(await scores('id,l0_c0,l1_c0,l0_c1,l1_c1\na,.25,-1,1,-inf\n')).toEqual({ ...expected, reordered: true })
  expect(await scores('id;s0;s1;s2;s3\na;0,25;1,5;-1;-2\n')).toEqual(expected)
  expect((await scores('id,s0,s1,s2,s3\na,0,3,2,1\n', { seeds: 2 })).ranks).toEqual([1, 0])
  expect((await scores('l0_s0_c0,l0_s0_c1,l0_s1_c0,l0_s1_c1\n0,3,4,2\n', { seeds: 2 })).ranks).toEqual([1, 0])
  await expect(scores('id;s0;s1\na;0,5;0.25\n')).rejects.toThrow(/with a point, while other numbers have a comma/)
  await expect(scores('id,s0,s1\na,0.5,\n')).rejects.toThrow(/line 2, column s1 is empty/)
  await expect(scores('id,s0,s1,s2\na,0,1,2\n')).rejects.toThrow(/not a multiple of 2 scores/)
  await expect(scores('id,c0_l0,c0_l1,c1_l0,c1_l1\na,0,1,2,3\n')).rejects.toThrow(/not a usual name of base class/)
  await expect(scores('id,l0_c0,l0_c1,l0_c2\na,0,1,2\n')).rejects.toThrow(/does not count 2 classes/)
})

describe('whole numbers that a double does not hold', () => {
  const [even, odd] = [2n ** 53n, 2n ** 53n + 1n]

  test.each<[NpyDtype, NpyArray]>([
    ['i8', BigInt64Array.of(even, odd, -1n)],
    ['u8', BigUint64Array.of(even, odd, 1n)],
  ])('are refused as scores of type %s', async (dtype, data) => {
    const location = file('', `${dtype}-large.npy`)
    await writeNpy(location, [1, 1, 3], data, dtype)
    await expect(importBallots(location, { kind: 'scores', classes: 3 })).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      message: expect.stringMatching(/score at \[0, 0, 1\] is 9007199254740993, a whole number/),
    })
  })

  test('are refused in text, and as sums of seeds; exact ones are read', async () => {
    const scores = (content: string, seeds = 1) =>
      importBallots(file(content), { kind: 'scores', classes: 2, seeds }).then(({ ballots }) => [...ballots.ranks])
    for (const large of ['9007199254740993', '-9007199254740993.0', '9007199254740993.5'])
      await expect(scores(`id,s0,s1\na,1,${large}\n`)).rejects.toThrow(`line 2, column s1 is ${large}, a whole number`)
    await expect(scores('id;s0;s1\na;0,5;9007199254740993,0\n')).rejects.toThrow(/9007199254740993,0, a whole number/)
    expect(await scores('id,s0,s1\na,9007199254740992,9007199254740994\n')).toEqual([1, 0])
    // A float that is written in full, and one that is rounded as any fraction is.
    expect(await scores('id,s0,s1\na,1e300,0.12345678901234567890\n')).toEqual([0, 1])
    await expect(scores('id,s0,s1,s2,s3\na,9007199254740991,1,2,1\n', 2)).rejects.toThrow(/column s2 makes the sum/)
    expect(await scores('id,s0,s1,s2,s3\na,9007199254740991,1,1,1\n', 2)).toEqual([0, 1])
  })

  test('are no class', async () => {
    const location = file('', 'class.npy')
    await writeNpy(location, [1, 1], BigInt64Array.of(odd), 'i8')
    await expect(importBallots(location, { kind: 'votes', classes: 3 })).rejects.toThrow(/740993.* not a class/)
  })
})

describe('a comma in a score', () => {
  const scores = (content: string) =>
    importBallots(file(content), { kind: 'scores', classes: 2 }).then(({ ballots }) => [...ballots.ranks])

  test.each(['id\ts0\ts1\na\t1,234\t5\n', 'id;s0;s1\na;5;-1,250\n', 'id|s0|s1\na|12,345|1,000\n'])(
    'is refused where it may separate thousands: %j',
    async (content) => {
      await expect(scores(content)).rejects.toMatchObject({
        code: 'VOTES_INVALID',
        message: expect.stringMatching(
          /line 2, column s[01] is "[-\d,]+", where the comma or point may be a decimal separator or/,
        ),
        hint: expect.stringMatching(/decimal point/),
      })
    },
  )

  test('is a decimal comma where another number shows it, before or after', async () => {
    expect(await scores('id\ts0\ts1\na\t1,234\t5\nb\t0,567\t5\n')).toEqual([1, 0, 1, 0])
    expect(await scores('id;s0;s1\na;1,5;5\nb;5;1,234\n')).toEqual([1, 0, 0, 1])
    expect(await scores('id;s0;s1\na;1,2345;1\nb;5;1,234\n')).toEqual([0, 1, 0, 1])
    await expect(scores('id\ts0\ts1\na\t1,234,567\t5\n')).rejects.toThrow(/not a number/)
  })
})

test('a file that is not there, or behind links in a circle, is named', async () => {
  symlinkSync('circle', path.join(folder, 'circle'))
  for (const [name, code] of [
    ['absent.csv', 'ENOENT'],
    ['circle', 'ELOOP'],
    ['a'.repeat(5000), 'ENAMETOOLONG'],
  ])
    await expect(importBallots(path.join(folder, name), { kind: 'votes', classes: 2 })).rejects.toMatchObject({
      code: 'VOTES_INVALID',
      exit: 'data',
      message: expect.stringContaining(`cannot be opened (${code})`),
    })
})

test.each<[string, Uint8Array | string, RegExp]>([
  ['a picture', Buffer.from('\x89PNG\r\n', 'latin1'), /it is a picture \(PNG\)/],
  ['weights', Buffer.from('\x40\0\0\0\0\0\0\0{"a":1}'), /it is weights \(safetensors\)/],
  ['a zip archive', Buffer.from('PK\u0003\u0004 npz'), /a zip archive/],
  ['a gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /compressed/],
  ['a pickle', Uint8Array.of(0x80, 0x04, 0x95), /a pickle/],
  ['JSON', ' [[0, 1], [1, 1]]', /looks like JSON/],
  ['UTF-16 without a mark', Buffer.from('l0,l1\n0,1\n', 'utf16le'), /UTF-16 without a byte order mark/],
  ['nothing', '', /is empty/],
])('refuses %s by its kind', async (_, content, message) => {
  await expect(read(content)).rejects.toMatchObject({ code: 'VOTES_INVALID', message: expect.stringMatching(message) })
})

test('refuses a folder, and names of classes that are not as many as classes', async () => {
  await expect(importBallots(folder, { kind: 'votes', classes: 3 })).rejects.toMatchObject({
    code: 'FILE_NOT_REGULAR',
  })
  await expect(read('l0\n0\n', { classNames: ['x'] })).rejects.toThrow(/3 names/)
  await expect(read('l0\n0\n', { firstClass: 2 })).rejects.toThrow(/0 or 1/)
})
