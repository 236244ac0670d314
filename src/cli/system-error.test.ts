import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { goingOn, systemError } from './system-error.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'videomae-system-error-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const refusal = (code: string, text: string, syscall: string, place: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${code}: ${text}, ${syscall} '${place}'`), { code, syscall, path: place })
const absent = (syscall: string, place: string) => refusal('ENOENT', 'no such file or directory', syscall, place)
const writable = (): void => {}

describe('an error of the operating system', () => {
  test('of a folder that cannot be made says what its nearest folder says', () => {
    const probed: string[] = []
    const readOnly = (place: string): void => {
      probed.push(place)
      throw refusal('EROFS', 'read-only file system', 'access', place)
    }
    const error = systemError(absent('mkdir', path.join(folder, 'a', 'b')), readOnly)
    expect(probed).toEqual([folder])
    expect(error).toMatchObject({ code: 'SYSTEM_ERROR', exit: 'environment' })
    expect(error?.message).toBe(
      `The operating system refused: EROFS: read-only file system, mkdir '${path.join(folder, 'a', 'b')}'.`,
    )
    expect(error?.hint).toMatch(/read-only: choose another place/)
  })

  test('says whether the folder or only the file is missing', async () => {
    await mkdir(path.join(folder, 'there'))
    expect(systemError(absent('open', path.join(folder, 'there', 'x')), writable)?.hint).toMatch(/^There is nothing of/)
    expect(systemError(absent('open', path.join(folder, 'not', 'x')), writable)?.hint).toMatch(/^Its parent folder/)
    expect(systemError(absent('mkdir', path.join(folder, 'not', 'x')), writable)?.hint).toMatch(/^Its parent folder/)
  })

  test('does not take a file that is only looked for as one that cannot be written', () => {
    const readOnly = (place: string): void => {
      throw refusal('EROFS', 'read-only file system', 'access', place)
    }
    expect(systemError(absent('open', path.join(folder, 'x')), readOnly)?.message).toMatch(/ENOENT/)
  })

  test.each(['ENOSPC', 'EDQUOT'])(
    '%s says how this command goes on, and nothing of --resume where there is none',
    (code) => {
      const full = refusal(code, 'no space left on device', 'write', folder)
      expect(systemError(full)?.hint).toMatch(/free some space, then run the same command again\.$/)
      expect(systemError(full, undefined, goingOn.resume)?.hint).toMatch(/then continue .* with --resume\.$/)
    },
  )

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
