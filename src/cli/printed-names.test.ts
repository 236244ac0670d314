/** A name of any origin looks like no line of its own in what a command prints. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { optionsWith } from '../../test/support/options-with.ts'
import { VideoMaeError } from '../core/errors.ts'
import { ProgressDisplay } from '../train/progress.ts'
import { inspect } from './commands/inspect.ts'
import { inspectCommand } from './inspect.ts'
import { reportError } from './run.ts'

afterEach(() => void vi.restoreAllMocks())

function spied(stream: NodeJS.WriteStream): string[] {
  const written: string[] = []
  vi.spyOn(stream, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  return written
}

test('errors and notes move no cursor', () => {
  const written = spied(process.stderr)
  const [message, hint] = ['Expected x\u001b[2K', 'It was \u202ey.']
  reportError(new VideoMaeError(message, { code: 'X', exit: 'data', hint }), {})
  expect(written.join('')).toBe('videomae: Expected x?[2K [X]\n  It was ?y.\n')
  written.length = 0
  new ProgressDisplay({ stream: process.stderr }).note('read a\u001b[1Ab\nand c')
  expect(written.join('')).toBe('read a?[1Ab\nand c\n')
})

test('the name of a video is part of one line', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-printed-'))
  try {
    const name = 'a.mp4\n  left  radius 99'
    writeFileSync(path.join(folder, `${name}.mp4`), 'no video')
    const written = spied(process.stdout)
    await inspectCommand([path.join(folder, `${name}.mp4`)], optionsWith(inspect, { workers: 1 }))
    const lines = written.join('').split('\n')
    expect(lines.filter((line) => line.includes('radius 99')).length).toBeGreaterThan(0)
    expect(lines.filter((line) => line.startsWith('  left'))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
