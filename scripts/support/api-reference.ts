/**
 * The API reference: every name of every public entry with its declaration and its docstring, read from the declarations that the
 * build writes. They have inferred types and no bodies, one declaration after the other, each from the first column on.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'

export const entries = ['index', 'certify', 'graph', 'jobs', 'model', 'video'] as const
export type Entry = (typeof entries)[number]

export interface ApiSymbol {
  readonly entry: Entry
  readonly name: string
  /** File in dist/ with the declaration. */
  readonly file: string
  /** The docstring without stars; empty where there is none. */
  readonly doc: string
  /** Overloads follow one another. */
  readonly declaration: string
}

/** Name of an entry as it is imported. */
export const importName = (entry: Entry): string => (entry === 'index' ? 'videomae' : `videomae/${entry}`)

/**
 * All names that an entry exports, sorted.
 *
 * @param dist folder that was built
 * @throws Error for a name without a declaration
 */
export function symbolsOf(dist: string, entry: Entry): ApiSymbol[] {
  const file = path.join(dist, `${entry}.d.ts`)
  const found = [...exportsOf(file)].map(([name, from]) => ({ entry, name, ...declarationOf(name, from) }))
  return found.sort((a, b) => a.name.localeCompare(b.name, 'en'))
}

/** Names that a file passes on from others -> the file that it names. */
function exportsOf(file: string): Map<string, string> {
  const lists = readFileSync(file, 'utf8').matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)
  const found = new Map<string, string>()
  for (const [, names, from] of lists) {
    const target = path.join(path.dirname(file), from.replace(/\.ts$/, '.d.ts'))
    for (const name of names.split(',').map((each) => each.trim().replace(/^type /, '')))
      if (name !== '') found.set(name, target)
  }
  return found
}

function declarationOf(name: string, file: string): Pick<ApiSymbol, 'file' | 'doc' | 'declaration'> {
  const text = readFileSync(file, 'utf8')
  const start = new RegExp(
    `^export (?:declare )?(?:abstract )?(?:const|let|function|class|interface|type) ${name}\\b`,
    'm',
  )
  const begin = start.exec(text)?.index
  if (begin === undefined) {
    const next = exportsOf(file).get(name)
    if (next === undefined) throw new Error(`Expected ${file} to declare ${name}.`)
    return declarationOf(name, next)
  }
  const doc = /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n$/.exec(text.slice(0, begin))?.[0] ?? ''
  // The next declaration or its docstring begins in the first column. Overloads have docstrings of their own or none.
  const rest = text.slice(begin)
  const end = /\n(?=\/\*\*|export |declare |interface |type |import )/.exec(rest)?.index ?? rest.length
  const declaration = rest
    .slice(0, end)
    .trimEnd()
    .replace(/^export (declare )?/, '')
  return { file, doc: withoutStars(doc), declaration }
}

const withoutStars = (comment: string): string =>
  comment
    .replace(/^\/\*\*/, '')
    .replace(/\*\/\n?$/, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .trim()

/** What a docstring says before its first tag. */
const sentenceOf = (doc: string): string => doc.split(/^@/m)[0].trim()

/** Names without a sentence, each with its entry. */
export const silent = (symbols: readonly ApiSymbol[]): string[] =>
  symbols.filter(({ doc }) => sentenceOf(doc) === '').map(({ entry, name }) => `${name} of ${importName(entry)}`)

/** Fields and methods of interfaces and types without a comment of their own, as `NAME.field`. */
export const uncommented = (symbols: readonly ApiSymbol[]): string[] =>
  symbols.flatMap(({ name, declaration }) => {
    if (!/^(interface|type) /.test(declaration)) return []
    const lines = declaration.split('\n')
    return lines.flatMap((line, i) => {
      const field = /^ {4}(?:readonly )?(\w+)\??[:(<]/.exec(line)?.[1]
      return field === undefined || lines[i - 1].endsWith('*/') ? [] : [`${name}.${field}`]
    })
  })

/** Programs in docstrings. */
export const examplesOf = ({ doc }: ApiSymbol): string[] =>
  [...doc.matchAll(/^@example\n```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code)

/** The page of an entry, in Markdown. */
export function pageOf(entry: Entry, symbols: readonly ApiSymbol[]): string {
  const parts = symbols.map(({ name, doc, declaration }) => {
    return `## ${name}\n\n\`\`\`ts\n${declaration}\n\`\`\`\n\n${markdownOf(doc)}\n`
  })
  const contents = symbols.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(', ')
  return `# ${importName(entry)}\n\nWritten by \`npm run docs\`.\n\n${contents}\n\n${parts.join('\n')}`
}

/** A docstring with its tags as lists. */
function markdownOf(doc: string): string {
  return doc
    .split(/^(?=@)/m)
    .map((part) => {
      const [, tag = '', text = part] = /^@(\w+)\s*([\s\S]*)$/.exec(part) ?? []
      if (tag === '') return `${text.trim()}\n`
      if (tag === 'example') return `\n${text.trim()}\n`
      const named = tag === 'param' ? text.trim().replace(/^(\S+)/, '`$1`:') : text.trim()
      return `* ${tag === 'param' ? '' : tag === 'returns' ? 'Returns ' : tag === 'throws' ? 'Throws ' : `${tag}: `}${named}`
    })
    .join('\n')
    .trim()
}
