// Writes examples/conformance/vectors-1.jsonl. A test compares the file with what this script would write.
//   npx tsx scripts/conformance-vectors.ts
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { conformanceText } from './support/conformance-vectors.ts'

const file = path.join(import.meta.dirname, '..', 'examples', 'conformance', 'vectors-1.jsonl')
writeFileSync(file, await conformanceText())
console.log(`written: ${file}`)
