/**
 * The CUDA engine, emulated, in float32 mode against what the original PyTorch implementation computed: logits, loss,
 * gradient norms, ten AdamW steps. Skips where the parity set is not there.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import type { Engine } from '../../src/engine/engine.ts'
import { runParity } from '../../src/train/parity.ts'
import { compilationTimeouts } from '../support/cuda-emulation/build.ts'
import { testDeviceMissing, testDeviceName } from '../support/cuda-test-device.ts'
import { openTestSession } from '../support/run-operation-case.ts'

vi.setConfig(compilationTimeouts)
const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))
const directory = path.join(root, '..', 'shared', 'reference', 'parity')
const missing = testDeviceMissing() ?? (existsSync(directory) ? null : 'the parity set is not there')

const testEngine: Engine = {
  name: 'cuda',
  probe: async () => ({ available: true, detail: testDeviceName }),
  open: async (programs) => openTestSession(programs, { precision: 'float32' }),
}

describe.skipIf(missing !== null)(
  `parity of the CUDA engine on ${testDeviceName}${missing === null ? '' : ` (${missing})`}`,
  () => {
    test('with the original implementation', async () => {
      const { lines } = await runParity(directory, testEngine)
      expect(lines.length).toBeGreaterThan(3)
      for (const { quantity, difference, tolerance, worst } of lines) {
        expect(difference, `${quantity}, worst ${worst}`).toBeLessThan(tolerance)
      }
    })
  },
)
