// @ts-check
// What dist/ was built from. Plain JavaScript because the build needs it before anything is compiled.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** File in dist/ with the digest of the sources that it was built from. */
export const digestFile = '.sources'

/** Files outside of src/ that change what is built. */
const others = ['tsconfig.json', 'tsconfig.build.json', 'scripts/build.mjs', 'node_modules/typescript/package.json']

/**
 * SHA-256 over names and contents of everything that is built. Tests are not.
 *
 * @param {string} root folder of the package
 * @returns {string} hexadecimal
 */
export function sourceDigest(root) {
  const names = readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
  const hash = createHash('sha256')
  for (const name of [...others, ...names].sort()) {
    const content = readFileSync(path.join(root, name))
    hash.update(`${name}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex')
}

/**
 * Whether dist/ is there and was built from the sources as they are now.
 *
 * @param {string} root folder of the package
 * @returns {boolean}
 */
export function isBuilt(root) {
  let built = ''
  try {
    built = readFileSync(path.join(root, 'dist', digestFile), 'utf8')
  } catch {
    return false
  }
  return built === sourceDigest(root)
}
