/**
 * The native engine's matrix products and attention against plain loops in double, by two C programs that are compiled
 * with the kernels: at every level of this processor and, in `npm run test:slow`, under the address sanitizer and for 64-bit ARM, run by an
 * emulator. There every operation and a training are compared with the float64 reference, too. Other compilers: `scripts/check-kernels.ts`; Node.js itself
 * on 64-bit ARM: `scripts/check-arm64.ts`.
 *
 * Compiling takes most of the time. The levels that only tests use are compiled once, as whole libraries, and left in the cache,
 * where the other tests find them.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findCompiler } from '../../src/engine/native/build/compiler.ts'
import { NativeSession } from '../../src/engine/native/session.ts'
import type { EmulatedLibrary } from '../support/kernels/emulated-library.ts'
import {
  armVariant,
  checkFamily,
  families,
  objectsOf,
  openEmulated,
  processorVariants,
  sanitizedVariant,
  type Variant,
} from '../support/kernels/kernel-variants.ts'
import { compiledBefore } from '../support/native-library.ts'
import { slowMissing } from '../support/slow.ts'
import { Comparison } from './compare-operations.ts'

vi.setConfig({ testTimeout: 900_000, hookTimeout: 60_000 })
const variants = processorVariants()
const missing =
  findCompiler() === null ? 'no C compiler' : variants.length === 0 ? 'no kernels for this processor' : null

const arm = slowMissing === null ? armVariant() : { name: 'neon, emulated', missing: slowMissing }

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'native-kernels-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** @param objects compiles the whole library, once. Undefined: only what is checked is compiled. */
function checkVariant(variant: Variant, objects: (() => Promise<string>) | undefined): void {
  test.each(families)(`${variant.name}: %s`, async (family) => {
    expect(await checkFamily(variant, family, folder, await objects?.())).toBe('ok\n')
  })
}

function objectsOnce(variant: Variant): () => Promise<string> {
  let objects: Promise<string> | undefined
  return () => {
    objects ??= objectsOf(variant, folder)
    return objects
  }
}

describe.skipIf(missing !== null)(`kernels of the native engine${missing === null ? '' : ` (${missing})`}`, () => {
  // The library of the best level is there before all tests: compiled just now, or in the cache, without object files.
  const before = compiledBefore()
  const [best, ...others] = variants
  if (best !== undefined) checkVariant(best, before === undefined ? undefined : () => Promise.resolve(before))
  for (const variant of others) checkVariant(variant, objectsOnce(variant))
})

describe('kernels of the native engine under the address sanitizer', () => {
  const variant = slowMissing === null ? sanitizedVariant() : { name: 'sanitized', missing: slowMissing }
  if ('missing' in variant) test.skip.each([...families])(`${variant.name} (${variant.missing}): %s`, () => undefined)
  else checkVariant(variant, objectsOnce(variant))
})

describe('kernels of the native engine for another processor', () => {
  if ('missing' in arm) {
    test.skip.each([...families, 'operations', 'training'])(`${arm.name} (${arm.missing}): %s`, () => undefined)
    return
  }
  const objects = objectsOnce(arm)
  checkVariant(arm, objects)

  let emulated: EmulatedLibrary | undefined
  afterAll(() => emulated?.close())
  const comparison = async (): Promise<Comparison> => {
    emulated ??= await openEmulated(arm, await objects(), folder)
    const { library } = emulated
    return new Comparison(async (programs, options) => new NativeSession(library, programs, options))
  }

  test(`${arm.name}: every operation, in float32 and bfloat16`, async () => {
    const compared = await comparison()
    await compared.operations()
    expect(compared.differences).toEqual([])
    expect(compared.comparisons).toBeGreaterThan(500)
  })

  test(`${arm.name}: five training steps`, async () => {
    const compared = await comparison()
    await compared.training()
    expect(compared.differences).toEqual([])
    expect(compared.comparisons).toBeGreaterThan(100)
  })
})
