/**
 * `scripts/check-arm64.ts` starts this on an emulated processor. Prints one line for each difference, and last
 * `N comparisons, N differences`.
 */
import { openNativeSession } from '../../src/engine/native/index.ts'
import { Comparison } from './compare-operations.ts'

const compared = new Comparison(openNativeSession)
await compared.operations()
await compared.training()
for (const line of compared.differences) console.log(line)
console.log(`${compared.comparisons} comparisons, ${compared.differences.length} differences`)
