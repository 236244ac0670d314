/** The published JSON schemas are current, and they describe what is written. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { certificateJsonSchemas } from '../../src/certify/verify/schema.ts'

const folder = path.join(import.meta.dirname, '../../docs/schema')

test.each(Object.entries(certificateJsonSchemas()))(
  'docs/schema/%s is current; if not, run `npx tsx scripts/certificate-schema.ts`',
  (name, schema) => {
    expect(JSON.parse(readFileSync(path.join(folder, name), 'utf8'))).toEqual(JSON.parse(JSON.stringify(schema)))
  },
)
