import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { onLocalRanks, valuesOnLocalRanks } from '../../test/support/local-ranks.ts'
import { VideoMaeError } from '../core/errors.ts'
import { requireSharedFolder } from './shared-folder.ts'

afterEach(() => {
  vi.useRealTimers()
})

const later = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
const failure = (message: string): VideoMaeError => new VideoMaeError(message, { code: 'TRIED', exit: 'data' })

describe('work that ranks do together', () => {
  test('may take longer on one of them, which continues giving signs of life', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    let signs = 0
    const all = valuesOnLocalRanks(3, async (ranks) => {
      const { numbers } = ranks
      if (ranks.rank === 0)
        ranks.numbers = (value) => {
          signs++
          return numbers.call(ranks, value)
        }
      return ranks.workTogether(async () => {
        await later(ranks.rank * 10)
        return ranks.rank
      })
    })
    await vi.advanceTimersByTimeAsync(21_000)
    expect(await all).toEqual([0, 1, 2])
    expect(signs).toBeGreaterThan(8)
  })

  test('fails on all with one error where all have it', async () => {
    const all = await onLocalRanks(2, async (ranks) => {
      const work = ranks.workTogether(() => Promise.reject(failure('The same.')))
      return work.catch((error) => ({ error, common: ranks.isCommon(error) }))
    })
    expect(all).toMatchObject(
      Array(2).fill({ value: { error: { message: 'The same.', code: 'TRIED' }, common: true } }),
    )
  })

  test('fails at once on the rank whose others have more to do, so that it ends them', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const ended: unknown[] = []
    void onLocalRanks(2, async (ranks) => {
      const work = async () => (ranks.rank === 0 ? later(3600) : Promise.reject(failure('A disk is full.')))
      await ranks.workTogether(work).catch((error) => ended.push([ranks.rank, ranks.isCommon(error), error.message]))
    })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(ended).toEqual([[1, false, 'A disk is full.']])
  })

  test('ends on a rank that is stopped, and does not wait for the others', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const stop = new AbortController()
    const ended: unknown[] = []
    void onLocalRanks(2, async (ranks) => {
      const work = async () => (ranks.rank === 0 ? later(3600) : null)
      const { signal } = stop
      await ranks.workTogether(work, signal).catch((error) => ended.push([ranks.rank, error.message]))
    })
    await vi.advanceTimersByTimeAsync(3_000)
    expect(ended).toEqual([])
    stop.abort(failure('Stopped.'))
    await vi.advanceTimersByTimeAsync(3_000)
    expect(ended).toEqual([[1, 'Stopped.']])
  })
})

describe('requireSharedFolder', () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-shared-folder-'))
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  test('names the rank that has another folder, and leaves nothing behind', async () => {
    const folders = ['a', 'a', 'b'].map((name) => path.join(folder, name))
    const all = await onLocalRanks(3, (ranks) => requireSharedFolder(ranks, folders[ranks.rank]))
    const message = expect.stringContaining('rank 2 of 3')
    expect(all).toMatchObject(Array(3).fill({ status: 'rejected', reason: { code: 'FOLDER_NOT_SHARED', message } }))
    expect(readdirSync(folders[0])).toEqual([])
    await valuesOnLocalRanks(2, (ranks) => requireSharedFolder(ranks, folders[ranks.rank]))
  })
})
