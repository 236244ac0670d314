/**
 * Every engine against the original implementation in PyTorch, float32 (its numbers are in the parity set): logits,
 * losses, the gradient norm of every tensor, ten AdamW steps, classification logits. Any machine; a GPU where one is.
 */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { engineNamed, listEngines } from '../../src/engine/index.ts'
import { runParity } from '../../src/train/parity.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const data = process.env.VIDEOMAE_TEST_DATA ?? join(root, '../shared/data')
const directory = join(data, '../reference/parity')
const present = existsSync(join(directory, 'pretrain_expected.json'))

describe('parity with the original implementation', async () => {
  for (const { name, available, detail } of await listEngines()) {
    const reason = present ? (available ? null : detail) : `no parity set at ${directory}`
    test.skipIf(reason !== null)(
      `holds on the engine ${name}${reason === null ? '' : ` (skipped: ${reason})`}`,
      async () => {
        const report = await runParity(directory, await engineNamed(name))
        expect(report.lines.map(({ quantity }) => quantity)).toHaveLength(5)
        for (const line of report.lines) {
          expect(line.difference, `${line.quantity}, largest at ${line.worst}`).toBeLessThan(line.tolerance)
        }
        expect(report.passed).toBe(true)
      },
    )
  }

  test.skipIf(!present)('notices a wrong expectation', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'parity-'))
    try {
      await cp(directory, copy, { recursive: true, filter: (path) => !path.endsWith('pretrain_expected.json') })
      const expected = JSON.parse(await readFile(join(directory, 'pretrain_expected.json'), 'utf8'))
      expected.grad_norms.mask_token *= 1.002
      await writeFile(join(copy, 'pretrain_expected.json'), JSON.stringify(expected))
      const report = await runParity(copy, await engineNamed('reference'))
      expect(report.passed).toBe(false)
      expect(report.lines.filter(({ passed }) => !passed)).toEqual([
        expect.objectContaining({ quantity: 'gradient norms', worst: 'mask_token' }),
      ])
    } finally {
      await rm(copy, { recursive: true })
    }
  })
})
