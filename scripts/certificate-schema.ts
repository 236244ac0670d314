/** Writes the JSON schemas of certificate files into docs/schema: `npx tsx scripts/certificate-schema.ts`. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { certificateJsonSchemas } from '../src/certify/verify/schema.ts'

const folder = path.join(import.meta.dirname, '../docs/schema')
mkdirSync(folder, { recursive: true })
for (const [name, schema] of Object.entries(certificateJsonSchemas()))
  writeFileSync(path.join(folder, name), `${JSON.stringify(schema, null, 2)}\n`)
