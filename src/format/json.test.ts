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
