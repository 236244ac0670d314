import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import { createProgram } from '../../src/cli/create-program.ts'
import { generateMotionDataset } from '../../src/synthetic/generate.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

test('inspect warns of classes that differ in case only', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'videomae-inspect-warnings-'))
  try {
    const { files } = await generateMotionDataset(path.join(folder, 'made'), { clips: 1, size: 32, frames: 8 })
    const inspect = async (name: string, ...classes: readonly string[]) => {
      for (const label of classes) {
        mkdirSync(path.join(folder, name, label), { recursive: true })
        cpSync(files[0], path.join(folder, name, label, 'a.mp4'))
      }
      let told = ''
      vi.spyOn(process.stdout, 'write').mockReturnValue(true)
      vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
        told += text
        return true
      })
      await createProgram().parseAsync(['inspect', path.join(folder, name)], { from: 'user' })
      return told
    }
    expect(await inspect('alike', 'Right', 'left', 'right')).toContain(
      'warning: "Right" and "right" are 2 classes: if they are one class, use one spelling',
    )
    expect(await inspect('different', 'left', 'right')).not.toContain('are 2 classes')
    // A split that only a list says, and one that commands do not agree on.
    const list = path.join(folder, 'different', 'labels.csv')
    writeFileSync(list, 'path,label,split\nleft/a.mp4,left,train\nright/a.mp4,right,tset\n')
    expect(await inspect('different', 'left', 'right')).toContain('the list labels.csv in it is not used')
    const told = await inspect('different/labels.csv')
    expect(told).toContain('warning: 1 video with an unknown split (tset), first right/a.mp4 (line 3)')
    expect(told).toContain('Did you mean test?')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
