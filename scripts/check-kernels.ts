/**
 * Compares the native engine's matrix products and attention with plain loops in double, compiled by clang, and without vector
 * instructions beyond the base ones. The tests do the same with the usual compiler for every level of the processor they run on.
 *
 *   npx tsx scripts/check-kernels.ts
 *
 * Says what is missing for a check that cannot run. Ends with 6 when a kernel differs, with 7 when nothing could be checked. A
 * minute or two.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { exitCodes } from '../src/index.ts'
import { checkFamily, families, otherVariants } from '../test/support/kernels/kernel-variants.ts'

const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-kernels-'))
let [checked, different] = [0, 0]
try {
  for (const variant of otherVariants()) {
    if ('missing' in variant) {
      console.log(`${variant.name}: not checked, ${variant.missing}`)
      continue
    }
    for (const family of families) {
      const printed = await checkFamily(variant, family, folder, undefined)
      checked++
      if (printed !== 'ok\n') different++
      console.log(`${variant.name}, ${family}: ${printed.trim()}`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
if (different > 0) process.exitCode = exitCodes.checkFailed
else if (checked === 0) process.exitCode = exitCodes.nothingChecked
