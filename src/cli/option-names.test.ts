import { expect, test, vi } from 'vitest'
import { invalidArgument, unusedArgument, VideoMaeError } from '../core/errors.ts'
import { inTypedNames } from './option-names.ts'
import { runProgram } from './program.ts'

const typed = (error: Error, keys: readonly string[]): [string, string | undefined] => {
  const { message, hint } = inTypedNames(error, keys) as VideoMaeError
  return [message, hint]
}

test('an error names the options as they are typed', () => {
  const keys = ['testClips', 'listTrials', 'windows', 'clips', 'whiteBox']
  expect(typed(unusedArgument('testClips', 'together with whiteBox', 3), keys)[0]).toBe(
    'Expected no --test-clips together with --white-box, but received 3.',
  )
  expect(typed(invalidArgument('whiteBox', 'trials (listTrials)', 0, 'Set listTrials.'), keys)).toEqual([
    'Expected trials (--list-trials) for --white-box but received 0 (number).',
    'Set --list-trials.',
  ])
  expect(typed(invalidArgument('windowSeconds', 'seconds', 0), keys)[0]).toContain(' for --windows but')
})

test('one lower-case word is an option only where an error has the name of its argument', () => {
  expect(typed(unusedArgument('groups', 'without rule groups', 3), ['groups'])[0]).toBe(
    'Expected no --groups without rule groups, but received 3.',
  )
  expect(typed(invalidArgument('rules', 'rules for groups', 'roe'), ['rule', 'groups'])[0]).toBe(
    'Expected rules for groups for --rule but received "roe" (string).',
  )
})

test('a value, a path, a field and another command keep their names', () => {
  const kept = invalidArgument('frames', 'x.testClips or a/testClips or windowStep', 'testClips')
  expect(typed(kept, ['testClips', 'clips'])[0]).toBe(kept.message)
  const other = new VideoMaeError('Expected testClips in the file.', { code: 'ENSEMBLE_INVALID' })
  expect(inTypedNames(other, ['testClips'])).toBe(other)
})

test('a command prints them', async () => {
  const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  await runProgram(['predict', 'x.mp4', '--from', 'none', '--windows', '0.01', '--json'])
  process.exitCode = undefined
  expect(printed.mock.calls.join('')).toContain('for --windows but received 0.01')
  printed.mockRestore()
})
