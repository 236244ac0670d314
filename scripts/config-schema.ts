/** Writes `models/schema.json`, the JSON schema that lets an editor complete and check recipes: `npx tsx scripts/config-schema.ts`. */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { runJsonSchema } from '../src/train/configuration.ts'
import { recipeFolder } from '../src/train/recipes.ts'

writeFileSync(path.join(recipeFolder(), 'schema.json'), `${JSON.stringify(runJsonSchema(), null, 2)}\n`)
