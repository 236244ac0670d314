import { expect, test, vi } from 'vitest'
import { listOf, noteOf, numbersOf, rulesOf, sharesOf } from './certify-options.ts'

test('parts of a list are trimmed', () => {
  expect(listOf('--classes', ' a, b c ,d')).toEqual(['a', 'b c', 'd'])
  expect(numbersOf('--partitions', '50, 100', 'partitions')).toEqual([50, 100])
  expect(sharesOf('--accuracies', '0.5,1')).toEqual([0.5, 1])
})

test.each(['', ' ', ',', 'a,', ',a', 'a,,b', 'a, ,b'])('the list %j is refused: a part of it is blank', (text) => {
  expect(() => listOf('--classes', text)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('--classes') }),
  )
  expect(() => rulesOf(text.replace('a', 'dpa'))).toThrow('--rule')
  expect(() => numbersOf('--partitions', text.replace(/\w/g, '5'), 'partitions')).toThrow('without blank parts')
  expect(() => sharesOf('--accuracies', text.replace(/\w/g, '1'))).toThrow('without blank parts')
})

test('each distinct note is printed once', () => {
  const written: string[] = []
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  try {
    const note = noteOf(false)
    for (const text of ['warning: a', 'b', 'warning: a', 'c', 'b']) note(text)
    noteOf(true)('d')
  } finally {
    write.mockRestore()
  }
  expect(written).toEqual(['warning: a\n', 'b\n', 'c\n'])
})
