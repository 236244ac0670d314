import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { VideoMaeError } from './errors.ts'
import { goingOn, systemError, systemHint } from './system-error.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-system-error-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const refusal = (code: string, text: string, syscall: string, location: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: ${text}, ${syscall} '${location}'`), { code, syscall, path: location })
const absent = (syscall: string, location: string) => refusal('ENOENT', 'no such file or directory', syscall, location)

describe('an error of the operating system', () => {
  test('says whether the folder or only the file is missing', async () => {
    await mkdir(path.join(folder, 'there'))
    expect(systemError(absent('open', path.join(folder, 'there', 'x')))?.hint).toMatch(
      /^There is no file or folder with that name/,
    )
    expect(systemError(absent('open', path.join(folder, 'not', 'x')))?.hint).toMatch(/^Its parent folder/)
    expect(systemError(absent('mkdir', path.join(folder, 'not', 'x')))?.hint).toMatch(/^Its parent folder/)
  })

  test.each(['ENOSPC', 'EDQUOT'])(
    '%s says how this command continues, and nothing of --resume where there is none',
    (code) => {
      const full = refusal(code, 'no space left on device', 'write', folder)
      expect(systemError(full)?.hint).toMatch(/free some space, then run the same command again\.$/)
      expect(systemError(full, goingOn.resume)?.hint).toMatch(/then continue .* with --resume\.$/)
    },
  )

  test('that comes with a hint gets the one of this command', () => {
    const cause = refusal('ENOSPC', 'no space left on device', 'mkdir', folder)
    const made = new VideoMaeError('Expected to make x.', {
      ...{ code: 'SYSTEM_ERROR', exit: 'environment', hint: systemHint('ENOSPC'), cause },
    })
    expect(systemError(made, goingOn.resume)).toMatchObject({
      message: made.message,
      hint: expect.stringContaining('--resume'),
    })
    expect(systemError(new VideoMaeError('Other.', { code: 'OTHER', cause }), goingOn.resume)).toBeNull()
  })

  test.each(['ELOOP', 'EBUSY', 'ENFILE', 'ESTALE', 'ENODEV', 'EREMOTEIO'])(
    '%s is the machine’s, with a hint',
    (code) => {
      const error = systemError(refusal(code, 'refused', 'open', folder))
      expect(error).toMatchObject({ code: 'SYSTEM_ERROR', exit: 'environment' })
      expect(error?.hint).not.toMatch(/[{}]/)
    },
  )

  test('is not what a mistake of the program is', () => {
    expect(systemError(new TypeError('x is undefined'))).toBeNull()
    expect(systemError(Object.assign(new Error('no'), { code: 'ENOENT' }))).toBeNull()
    expect(systemError('text')).toBeNull()
  })
})
