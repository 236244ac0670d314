import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { VideoMaeError } from '../core/errors.ts'
import { nearestKey } from '../core/nearest-key.ts'

const extension = '.yaml'

/** The folder of the recipes that come with the package. */
export function recipeFolder(): string {
  return fileURLToPath(new URL('../../models/', import.meta.url))
}

/** Which command a recipe is for: those of fine-tuning have names that begin with `finetune-`. */
export type RecipeKind = 'pretrain' | 'finetune'

/**
 * Names of the recipes that come with the package.
 *
 * @example
 * ```ts
 * import { recipeNames } from 'videomae'
 *
 * recipeNames().includes('laptop-pretrain') // => true
 * ```
 */
export function recipeNames(kind: RecipeKind = 'pretrain'): string[] {
  return readdirSync(recipeFolder())
    .filter((file) => file.endsWith(extension) && file.startsWith('finetune-') === (kind === 'finetune'))
    .map((file) => file.slice(0, -extension.length))
    .sort()
}

/**
 * The file of a recipe: a path, or the name of one that comes with the package.
 *
 * @throws VideoMaeError `RECIPE_UNKNOWN`
 *
 * @example
 * ```ts
 * import { basename } from 'node:path'
 * import { recipeFile } from 'videomae'
 *
 * basename(recipeFile('laptop-pretrain')) // => 'laptop-pretrain.yaml'
 * ```
 */
export function recipeFile(nameOrPath: string, kind: RecipeKind = 'pretrain'): string {
  if (existsSync(nameOrPath) && /\.(ya?ml|json)$/.test(nameOrPath)) return nameOrPath
  const names = recipeNames(kind)
  if (names.includes(nameOrPath)) return path.join(recipeFolder(), `${nameOrPath}${extension}`)
  const nearest = nearestKey(nameOrPath, names)
  throw new VideoMaeError(`Expected a YAML file or the name of a recipe but received ${JSON.stringify(nameOrPath)}.`, {
    code: 'RECIPE_UNKNOWN',
    exit: 'usage',
    hint: nearest === null ? `Recipes: ${names.join(', ')}` : `Did you mean ${nearest}? All: ${names.join(', ')}`,
  })
}
