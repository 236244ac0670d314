/**
 * The native engine in float32 against what the original PyTorch implementation computed: logits, loss, gradient norms,
 * ten AdamW steps. Skips where the parity set is not there.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { inThreadNativeEngine } from '../../src/engine/native/index.ts'
import { runParity } from '../../src/train/parity.ts'
import { nativeMissing, nativeTimeouts } from './native-cases.ts'

vi.setConfig(nativeTimeouts)
const directory = path.join(import.meta.dirname, '..', '..', '..', 'shared', 'reference', 'parity')
const missing = nativeMissing() ?? (existsSync(directory) ? null : 'the parity set is not there')

describe.skipIf(missing !== null)(`parity of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  test('with the original implementation', async () => {
    const { lines } = await runParity(directory, inThreadNativeEngine)
    expect(lines.length).toBeGreaterThan(3)
    for (const { quantity, difference, tolerance, worst } of lines) {
      expect(difference, `${quantity}, worst ${worst}`).toBeLessThan(tolerance)
    }
  })
})
