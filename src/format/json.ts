/**
 * JSON that says one thing: the standard lets an object have a name twice, and programs differ in which of the values they take. Nor is it
 * nested so deeply that what walks through it comes to the end of the stack.
 */

/** Objects and arrays in each other; far above what any format has. */
const largestDepth = 100

const blank = new Set([' ', '\n', '\r', '\t'])

/**
 * The first name that an object has twice; null where there is none.
 *
 * @param text valid JSON
 */
export function repeatedName(text: string): string | null {
  /** Names of the objects that are open; null for an array. */
  const open: (Set<string> | null)[] = []
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '{') open.push(new Set())
    else if (character === '[') open.push(null)
    else if (character === '}' || character === ']') open.pop()
    else if (character === '"') {
      const end = endOfString(text, at)
      let next = end + 1
      while (blank.has(text[next])) next++
      if (text[next] === ':') {
        const name = JSON.parse(text.slice(at, end + 1)) as string
        const names = open.at(-1)
        if (names?.has(name)) return name
        names?.add(name)
      }
      at = end
    }
  }
  return null
}

/** Where the string that begins at `start` has its last quote. */
function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); ; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text[at - 1 - backslashes] === '\\') backslashes++
    if (backslashes % 2 === 0) return at
  }
}

/** How many objects and arrays of valid JSON are in each other. */
function depthOf(text: string): number {
  let [depth, deepest] = [0, 0]
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') at = endOfString(text, at)
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth)
    else if (character === '}' || character === ']') depth--
  }
  return deepest
}

/** What JSON says, to be checked against a schema; null for any other text. */
export function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * Parses JSON that comes from others.
 *
 * @throws SyntaxError for other text, for an object that has a name twice, and for what is nested deeper than 100
 */
export function parseUniqueJson(text: string): unknown {
  const value: unknown = JSON.parse(text)
  if (depthOf(text) > largestDepth) throw new SyntaxError(`objects and arrays are nested deeper than ${largestDepth}`)
  const name = repeatedName(text)
  if (name !== null) throw new SyntaxError(`an object has the name ${JSON.stringify(name.slice(0, 80))} twice`)
  return value
}
