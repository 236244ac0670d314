import { expect, test } from 'vitest'
import { printable, printableLines, textFor } from './printable.ts'

test('names stay one line and move no cursor', () => {
  expect(printable('a.mp4\n  fight  radius 99\u001b[2K\u202e\u2028b')).toBe('a.mp4?  fight  radius 99?[2K??b')
  expect(printable('Übung 1 é 歩く 🎬.mp4')).toBe('Übung 1 é 歩く 🎬.mp4')
})

test('texts keep their lines', () => {
  expect(printableLines('one\n\ttwo\r\u001b[31m')).toBe('one\n\ttwo??[31m')
})

test('a table is made printable for a terminal, and kept for a file or a program', () => {
  const table = 'path,label\na\u001b[2K.mp4,walk\n'
  expect(textFor({ isTTY: true }, table)).toBe('path,label\na?[2K.mp4,walk\n')
  expect(textFor({}, table)).toBe(table)
})
