import { expect, test, vi } from 'vitest'

const digestFile = vi.hoisted(() => vi.fn())
vi.mock('../../format/file-digest.ts', () => ({ digestFile }))
const { digestOrError } = await import('./reading.ts')

const failing = (code: string) => {
  digestFile.mockRejectedValueOnce(Object.assign(new Error(`${code}: that is what the system said`), { code }))
  return digestOrError('a.mp4', undefined)
}

// Otherwise a machine with too many open files, or a network drive that is gone, would choose the protected set.
test.each(['EMFILE', 'ENOMEM', 'EIO', 'ESTALE'])(
  'a row is not left out for a fault of the machine: %s',
  async (code) => {
    await expect(failing(code)).rejects.toMatchObject({ code })
  },
)

test.each(['ENOENT', 'EACCES', 'ELOOP'])('a row is left out for what is wrong with its file: %s', async (code) => {
  expect(await failing(code)).toMatchObject({ code })
})
