/**
 * Which Node.js runs this program. Old versions must be able to read this file and `cli/main.ts`, so both use no syntax newer
 * than ES2015 and import nothing that does.
 */

/** The oldest version that the program runs on, as package.json says. */
export const oldestNode = '20.19'

/**
 * What is wrong with a version of Node.js, for instance `18.20.4`; null for one that is new enough.
 *
 * @param version as in `process.versions.node`
 */
export function nodeProblem(version: string): string | null {
  const [major, minor] = version.split('.').map(Number)
  const [oldestMajor, oldestMinor] = oldestNode.split('.').map(Number)
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return null
  return `Expected Node.js ${oldestNode} or later, but this is ${version}.`
}

/** What to do about an old version. */
export const nodeAdvice =
  'Install a current version from https://nodejs.org, or with a version manager, for example `nvm install 22`.'

/** The code of that error. */
export const nodeCode = 'NODE_TOO_OLD'
