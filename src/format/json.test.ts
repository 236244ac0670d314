import { expect, test } from 'vitest'
import { parseUniqueJson, repeatedName } from './json.ts'

test.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":1,"\\u0061":2}', 'a'],
  ['[{"b":{"x":1 , "y":"}\\"{", "x" :2}}]', 'x'],
  ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ['{"a\\\\":1,"a\\\\":1}', 'a\\'],
  ['{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"\\"a\\":","d":"\\\\"}', null],
  ['"{\\"a\\":1,\\"a\\":2}"', null],
  ['{"a":["a","a",{"":0}],"":"a"}', null],
  ['1', null],
])('of %s the name that is there twice is %j', (text, name) => {
  JSON.parse(text)
  expect(repeatedName(text)).toBe(name)
})

test('an object with a name twice is no JSON that says one thing', () => {
  expect(parseUniqueJson('{"a":[1,{"b":null}]}')).toEqual({ a: [1, { b: null }] })
  expect(() => parseUniqueJson('{"radius":9,"radius":1}')).toThrow(/"radius" twice/)
  expect(() => parseUniqueJson('{"radius":9')).toThrow(SyntaxError)
})

test('JSON that is nested too deeply for what walks through it is refused', () => {
  const nested = (depth: number) => `{"a":"]\\"}","b":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
  expect(parseUniqueJson(nested(100))).toBeDefined()
  for (const depth of [101, 20_000]) expect(() => parseUniqueJson(nested(depth))).toThrow(/deeper than 100/)
  // Beside each other is not in each other.
  expect(parseUniqueJson(`[${'[],'.repeat(1000)}[]]`)).toHaveLength(1001)
})
