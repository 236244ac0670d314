/** The compiled program, run as a user runs it: exit codes, stdout and stderr, and the whole job at a tiny size. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { startVideomae, videomaeAlone as videomae } from '../support/run-program.ts'

const tiny = [
  'clip.stride=1',
  'mask.ratio=.75',
  'model.frames=4',
  'model.resolution=32',
  'model.patch=8',
  'model.width=16',
  'model.depth=2',
  'model.heads=2',
  'model.decoder={width: 16, depth: 1, heads: 2}',
  'batch.size=4',
  'data.samplesPerClip=2',
  'schedule.duration=6 steps',
  'schedule.warmup=2 steps',
  'checkpoint.every=3 steps',
  'log.every=1 steps',
].flatMap((value) => ['--set', value])

describe('videomae', () => {
  const folder = folderForTests('videomae-cli-')
  const videos = path.join(folder, 'videos')
  const run = path.join(folder, 'run')
  let video = ''

  beforeAll(async () => {
    const { files } = await generateMotionDataset(videos, { clips: 8, size: 48, frames: 10 })
    video = files[0]
    writeFileSync(path.join(videos, 'broken.mp4'), 'not a video')
  })

  test('lists commands and exit codes', async () => {
    const { code, stdout } = await videomae('--help')
    expect(code).toBe(0)
    for (const word of ['inspect', 'pretrain', 'reconstruct', 'export', 'demo', 'doctor', 'Exit codes', '130']) {
      expect(stdout).toContain(word)
    }
  })

  test('ends with 2 for what it cannot parse and names the option', async () => {
    expect((await videomae('pretrian')).code).toBe(2)
    const { code, stderr } = await videomae('reconstruct', 'a', 'b', '--mask-ratio', 'much')
    expect(code).toBe(2)
    expect(stderr).toContain('--mask-ratio')
    const asked = await videomae('finetune', 'a', '--mode', 'rigde', '--json')
    expect([asked.code, JSON.parse(asked.stdout)]).toMatchObject([
      2,
      { error: { code: 'USAGE', message: expect.stringContaining('Allowed choices are full') } },
    ])
  })

  test('doctor finds the default engine and a decoder', async () => {
    const { code, stdout } = await videomae('doctor', '--json')
    expect(code).toBe(0)
    const { findings } = JSON.parse(stdout) as { findings: { part: string; ok: boolean }[] }
    expect(findings.find(({ part }) => part === 'engine onnx')?.ok).toBe(true)
    expect(findings.find(({ part }) => part === 'decoder node-av')?.ok).toBe(true)
  })

  test('inspect names what cannot be used', async () => {
    const { code, stdout } = await videomae('inspect', videos)
    expect(code).toBe(0)
    expect(stdout).toContain('broken.mp4')
    expect(stdout).toMatch(/8 usable videos/)
  })

  test('inspect takes the folder that a list starts from', async () => {
    const list = path.join(folder, 'list.txt')
    writeFileSync(list, `${path.relative(videos, video)}\n`)
    const wrong = await videomae('inspect', list)
    expect(wrong.code).toBe(3)
    expect(wrong.stderr).toMatch(/read as a list of videos.*VIDEO_SOURCE_NOT_FOUND[\s\S]*--base/)
    const { code, stdout } = await videomae('inspect', list, '--base', videos, '--workers', '1', '--timeout', '20')
    expect(code).toBe(0)
    expect(stdout).toMatch(/1 usable videos/)
  })

  test('blames the machine, not itself, where the operating system refuses', async () => {
    const file = path.join(folder, 'a-file')
    writeFileSync(file, '')
    const { code, stdout, stderr } = await videomae('pretrain', videos, '--out', path.join(file, 'run'), '--json')
    expect(code).toBe(4)
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'SYSTEM_ERROR', hint: expect.stringContaining('file, not a folder') },
    })
    expect(stderr).not.toContain('bug in the program')
  })

  test('replaces nothing that is not its own', async () => {
    const other = path.join(folder, 'other')
    mkdirSync(path.join(other, 'videos'), { recursive: true })
    writeFileSync(path.join(other, 'config.json'), 'mine')
    const run = await videomae('pretrain', videos, '--recipe', emptyRecipe(folder), '--out', other, ...tiny)
    expect([run.code, run.stderr]).toEqual([2, expect.stringContaining('RUN_FOLDER')])
    const demo = await videomae('demo', '--out', other)
    expect([demo.code, demo.stderr]).toEqual([2, expect.stringContaining('DEMO_FOLDER')])
    expect(readdirSync(other).sort()).toEqual(['config.json', 'videos'])
    expect(readFileSync(path.join(other, 'config.json'), 'utf8')).toBe('mine')
  })

  test.skipIf(process.platform === 'win32')('ends quietly when its reader does', async () => {
    const { process: child, ended } = startVideomae('--help')
    child.stdout!.destroy()
    expect(await ended).toMatchObject({ code: 0, stderr: '' })
  })

  test('pretrains, stops at nothing, and leaves a run', async () => {
    const { code, stdout, stderr } = await videomae(
      'pretrain',
      videos,
      '--recipe',
      emptyRecipe(folder),
      '--out',
      run,
      '--json',
      ...tiny,
    )
    expect(stderr).not.toContain('bug in the program')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { steps: number; badFiles: unknown[]; checkpoint: string }
    expect(result.steps).toBe(6)
    expect(result.badFiles).toHaveLength(1)
    for (const file of [
      'config.json',
      'model.safetensors',
      'preprocessor_config.json',
      'optimizer.safetensors',
      'trainer-state.json',
      'training-manifest.json',
      'videomae.sha256',
    ]) {
      expect(existsSync(path.join(result.checkpoint, file))).toBe(true)
    }
    expect(readFileSync(path.join(run, 'bad-files.jsonl'), 'utf8')).toContain('broken.mp4')
  })

  test('refuses to train over a run, and a configuration with an unknown key', async () => {
    const again = await videomae('pretrain', videos, '--recipe', emptyRecipe(folder), '--out', run, ...tiny)
    expect(again.code).toBe(2)
    expect(again.stderr).toContain('RUN_EXISTS')
    const unknown = await videomae(
      'pretrain',
      videos,
      '--recipe',
      emptyRecipe(folder),
      '--set',
      'mask.ration=.9',
      '--print-config',
    )
    expect(unknown.code).toBe(2)
    expect(unknown.stderr).toMatch(/ration/)
    expect(unknown.stderr).toMatch(/ratio\b/)
  })

  test('reconstructs a clip', async () => {
    const out = path.join(folder, 'picture')
    const { code, stdout } = await videomae('reconstruct', run, video, '--out', out, '--json')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as { visible: number; masked: number; loss: number; meanLoss: number }
    // The ratio of the run, 0.75, not the usual 0.9.
    expect(result).toMatchObject({ visible: 8, masked: 24 })
    expect(Number.isFinite(result.loss)).toBe(true)
    expect(result.meanLoss).toBeGreaterThan(0.5)
    expect(result.meanLoss).toBeLessThan(1)
    expect(stdout.length).toBeLessThan(2000) // no pixels
    expect(readFileSync(`${out}.png`).subarray(1, 4).toString()).toBe('PNG')
    expect(readFileSync(`${out}.webp`).subarray(8, 12).toString()).toBe('WEBP')
  })

  test.each(['uint8', 'float32'])(
    'exports an encoder with %s frames that agrees with the reference engine',
    async (input) => {
      const out = path.join(folder, `${input}.onnx`)
      const { code, stdout } = await videomae(
        'export',
        run,
        '--out',
        out,
        '--input',
        input,
        '--check',
        video,
        '--engine',
        'reference',
        '--json',
      )
      expect(code).toBe(0)
      const result = JSON.parse(stdout) as { check: { largestDifference: number }; metadata: Record<string, string> }
      expect(result.check.largestDifference).toBeLessThan(1e-4)
      expect(result.metadata['videomae.digest']).toMatch(/^[0-9a-f]{64}$/)
      expect(result.metadata['videomae.stride']).toBe('1')
    },
  )

  test('says what is wrong with a checkpoint that is not there', async () => {
    const { code, stdout } = await videomae('export', path.join(folder, 'nothing'), '--json')
    expect(code).toBe(3)
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'CHECKPOINT_NOT_FOUND' } })
  })
})

function emptyRecipe(folder: string): string {
  const file = path.join(folder, 'empty.yaml')
  writeFileSync(file, '{}\n')
  return file
}
