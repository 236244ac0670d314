/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor, under the address sanitizer, and for 64-bit ARM, run by an emulator. Other
 * compilers: `scripts/check-kernels.ts`; the whole engine on 64-bit ARM: `scripts/check-arm64.ts`.
 *
 * Compiling takes most of the time. The levels that only tests use are compiled once, as whole libraries, and left in the cache,
 * where the other tests find them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findCompiler } from '../../src/engine/native/build/compiler.ts'
import { armVariant, checkFamily, families, objectsOf, processorVariants, type Variant } from './kernel-variants.ts'

vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 })
const variants = processorVariants()
const missing =
  findCompiler() === null ? 'no C compiler' : variants.length === 0 ? 'no kernels for this processor' : null

const arm = armVariant()

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'native-kernels-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function checkVariant(variant: Variant): void {
  let objects: Promise<string> | undefined
  it.each(families)(`${variant.name}: %s`, async (family) => {
    if (variant.prefix !== undefined) objects ??= objectsOf(variant, variant.prefix, folder)
    expect(await checkFamily(variant, family, folder, await objects)).toBe('ok\n')
  })
}

describe.skipIf(missing !== null)(`kernels of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  for (const variant of variants) checkVariant(variant)
})

describe('kernels of the native engine for another processor', () => {
  if ('missing' in arm) it.skip.each(families)(`${arm.name} (${arm.missing}): %s`, () => undefined)
  else checkVariant(arm)
})
