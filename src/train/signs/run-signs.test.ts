import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { VideoMaeError } from '../../core/errors.ts'
import { Ranks } from '../../distributed/ranks.ts'
import type { EngineSession } from '../../engine/engine.ts'
import { presetConfiguration } from '../../model/presets.ts'
import { ProbeVideos } from './probe-videos.ts'
import { RunSigns } from './run-signs.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'videomae-run-signs-'))
afterEach(() => {
  vi.restoreAllMocks()
  rmSync(folder, { recursive: true, force: true })
})

test('features that are no numbers end no run: a line says so; what is wrong with the machine does end it', async () => {
  const notes: string[] = []
  const signs = new RunSigns({
    ...{ out: folder, ranks: Ranks.alone(), steps: 20, every: 10, entries: [], count: 0 },
    ...{ model: presetConfiguration('small'), timing: { stride: 2, fps: null } },
    onNote: (note) => notes.push(note),
  })
  await signs.begin(0)
  const measure = vi.spyOn(ProbeVideos.prototype, 'measure')
  const after = (step: number) => signs.after(step, {} as EngineSession, async () => {})
  measure.mockRejectedValue(new VideoMaeError('Expected finite features.', { code: 'OUTPUT_NOT_FINITE', exit: 'data' }))
  await after(10)
  expect(notes).toEqual(['warning: no signs of learning after step 10: Expected finite features.'])
  expect(signs.history).toEqual([])
  measure.mockRejectedValue(new VideoMaeError('No ffmpeg.', { code: 'DECODER_MISSING', exit: 'environment' }))
  await expect(after(20)).rejects.toMatchObject({ code: 'DECODER_MISSING' })
})
