/**
 * Writes `models/schema.json` and `models/finetune-schema.json`, the JSON schemas that let an editor complete and check
 * recipes: `npx tsx scripts/config-schema.ts`.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { finetuneJsonSchema } from '../src/finetune/configuration.ts'
import { runJsonSchema } from '../src/train/configuration.ts'
import { recipeFolder } from '../src/train/recipes.ts'

for (const [name, schema] of [
  ['schema.json', runJsonSchema()],
  ['finetune-schema.json', finetuneJsonSchema()],
] as const) {
  writeFileSync(path.join(recipeFolder(), name), `${JSON.stringify(schema, null, 2)}\n`)
}
