/** Oracle: vectors of an independent brute force, where they are at hand; and that a wrong vector is noticed. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { checkVectors } from '../../src/certify/vectors.ts'

const data = process.env.VIDEOMAE_TEST_DATA ?? '../shared/data'
const file = path.join(data, '..', 'reference', 'certificate-vectors.json')

test.skipIf(!existsSync(file))(
  'all reference vectors hold, in every section (needs the shared reference folder)',
  () => {
    const sections = checkVectors(JSON.parse(readFileSync(file, 'utf8')))
    expect(sections.length).toBeGreaterThanOrEqual(17)
    expect(sections.flatMap(({ mismatches }) => mismatches)).toEqual([])
    expect(Math.min(...sections.map(({ checks }) => checks))).toBeGreaterThan(0)
  },
)

const entry = {
  id: 'e',
  C: 3,
  votes: [1, 1, 1, 2, 2, 0, 1],
  counts: [1, 4, 2],
  prediction: 1,
  radius: 1,
  radius_true: 1,
}

test('a wrong figure is a mismatch that names entry and figure', () => {
  expect(checkVectors({ dpa: { small: [entry] } })[0].mismatches).toEqual([])
  for (const wrong of [{ radius: 2 }, { radius_true: 0 }, { prediction: 0 }, { counts: [4, 1, 2] }]) {
    const [section] = checkVectors({ dpa: { small: [{ ...entry, ...wrong }] } })
    expect(section.mismatches).toHaveLength(1)
    expect(section.mismatches[0]).toContain(`e ${Object.keys(wrong)[0]}`)
  }
  expect(checkVectors({ dpa: { small: [] } })[0].mismatches).toEqual(['the section contains nothing to check'])
})

test('unknown sections and missing fields are refused', () => {
  expect(() => checkVectors({ newRule: [] })).toThrow(/newRule/)
  expect(() => checkVectors({ bagging: [{ N: 10 }] })).toThrow(/certificate vectors/)
})
