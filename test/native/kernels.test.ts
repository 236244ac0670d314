/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor, without vector instructions beyond the base ones, and under the
 * address sanitizer. Other compilers and processors: `scripts/check-kernels.ts`.
 *
 * Compiling takes most of the time. The levels that only tests use are compiled once, as whole libraries, and left in the cache,
 * where the other tests find them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { findCompiler } from '../../src/engine/native/build/compiler.ts'
import { checkFamily, families, objectsOf, processorVariants } from './kernel-variants.ts'

vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 })
const variants = processorVariants()
const missing =
  findCompiler() === null ? 'no C compiler' : variants.length === 0 ? 'no kernels for this processor' : null

describe.skipIf(missing !== null)(`kernels of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'native-kernels-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  for (const variant of variants) {
    let objects: Promise<string> | undefined
    it.each(families)(`${variant.name}: %s`, async (family) => {
      if (variant.library !== undefined) objects ??= objectsOf(variant, variant.library, folder)
      expect(await checkFamily(variant, family, folder, await objects)).toBe('ok\n')
    })
  }
})
