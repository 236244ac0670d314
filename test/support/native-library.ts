/**
 * Runs once before all tests: compiles the native engine for this processor where the cache has none. Otherwise each of the first
 * processes that open the engine compiles it for itself. The object files are kept for the tests of the kernels.
 */
import { mkdtempSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { findLibrary } from '../../src/engine/native/build/library-file.ts'
import { objectsOf, processorVariants } from './kernels/kernel-variants.ts'

/** Variable with the folder of the object files; empty where the library was in the cache. Each project calls this; the first compiles. */
const variable = 'TEST_NATIVE_OBJECTS'

export default async function setup(): Promise<void> {
  process.env[variable] ??= await compile()
}

async function compile(): Promise<string> {
  const [best] = processorVariants()
  if (best === undefined || findLibrary().kind !== 'compilable') return ''
  console.log(`Compiling the native engine for ${best.name} with ${best.compiler.command}, once for this machine.`)
  const folder = mkdtempSync(path.join(os.tmpdir(), 'native-objects-'))
  // Where this fails, the tests of the engine say why.
  return objectsOf(best, folder).catch(() => '')
}

/** Object files of the best level of this processor that were compiled before the tests; undefined: there are none. */
export const compiledBefore = (): string | undefined => process.env[variable] || undefined
