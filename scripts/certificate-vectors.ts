// Checks every certificate rule against a file of test vectors and exits non-zero on any mismatch.
//   npm run certificate-vectors -- certificate-vectors.json
import { readFileSync } from 'node:fs'
import { checkVectors } from '../src/certify.ts'
import { exitCodes } from '../src/index.ts'

const file = process.argv[2]
if (file === undefined) {
  console.error('usage: npm run certificate-vectors -- FILE')
  process.exit(exitCodes.usage)
}
const sections = checkVectors(JSON.parse(readFileSync(file, 'utf8')))
let failures = 0
for (const { name, entries, checks, mismatches } of sections) {
  console.log(
    `${name.padEnd(48)} ${String(entries).padStart(4)} entries  ${String(checks).padStart(5)} checks  ${mismatches.length === 0 ? 'ok' : `${mismatches.length} MISMATCHES`}`,
  )
  for (const mismatch of mismatches) console.log(`    ${mismatch}`)
  failures += mismatches.length
}
const total = sections.reduce((sum, section) => sum + section.checks, 0)
console.log(failures === 0 ? `all ${total} checks hold` : `${failures} of ${total} checks FAILED`)
process.exit(failures === 0 ? exitCodes.success : exitCodes.checkFailed)
