/** The table of folders in dev/architecture.md is what the imports say. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { layouts, rules } from '../src/certify/rules/names.ts'

const root = path.join(import.meta.dirname, '..')
const source = path.join(root, 'src')

/** The column `knows`: folder -> folders that it may import from; null: all. */
function documented(): Map<string, Set<string> | null> {
  const page = readFileSync(path.join(root, 'dev/architecture.md'), 'utf8')
  const rows = [...page.matchAll(/^\| `([\w/-]+)\/` \|[^|]*\|([^|]*)\|/gm)]
  return new Map(
    rows.map(([, folder, knows]) => {
      const names = knows
        .replaceAll(/\([^)]*\)/g, '')
        .split(',')
        .map((name) => name.trim())
      if (names[0] === 'everything') return [folder, null]
      return [folder, new Set(names[0] === 'nothing' ? [] : names)]
    }),
  )
}

/** The room of a file: the longest row of the table that its path begins with. */
function roomOf(file: string, rows: readonly string[]): string | undefined {
  const inside = rows.filter((row) => file.startsWith(`${row}/`))
  return inside.toSorted((a, b) => b.length - a.length)[0]
}

/** File -> files that it imports, type imports included. Tests next to the source may import from anywhere. */
function fileImports(): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>()
  for (const entry of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    const file = entry.replaceAll(path.sep, '/')
    if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
    const targets = readFileSync(path.join(source, file), 'utf8').matchAll(/\b(?:from|import)\s*\(?'(\.[^']+)'/g)
    found.set(
      file,
      [...targets].map(([, target]) => path.posix.join(path.posix.dirname(file), target)),
    )
  }
  return found
}

/** Room -> room -> a file that imports so. */
function imports(): Map<string, Map<string, string>> {
  const rows = [...documented().keys()]
  const found = new Map<string, Map<string, string>>()
  for (const [file, targets] of fileImports()) {
    if (!file.includes('/')) continue
    const from = roomOf(file, rows)
    if (from === undefined) throw new Error(`Expected a row of dev/architecture.md for ${file}.`)
    const others = found.get(from) ?? new Map<string, string>()
    found.set(from, others)
    for (const target of targets) {
      const to = roomOf(target, rows)
      if (to !== undefined && to !== from) others.set(to, file)
    }
  }
  return found
}

test('folders import from those that dev/architecture.md says, and from all of these', () => {
  const [table, actual] = [documented(), imports()]
  expect([...table.keys()].sort()).toEqual([...actual.keys()].sort())
  for (const [folder, others] of actual) {
    const known = table.get(folder)
    if (known === null) continue
    const beyond = [...others]
      .filter(([other]) => !known?.has(other))
      .map(([other, file]) => `${file} imports from ${other}`)
    expect(beyond).toEqual([])
    expect(others.size, `${folder} knows ${[...(known ?? [])]}`).toBe(known?.size)
  }
})

test('no folder is reached from one that it knows', () => {
  const actual = imports()
  const reach = (from: string, seen = new Set<string>()): Set<string> => {
    for (const to of actual.get(from)?.keys() ?? []) if (!seen.has(to)) reach(to, seen.add(to))
    return seen
  }
  for (const folder of actual.keys()) expect(reach(folder), folder).not.toContain(folder)
})

test('no file is reached from one that it imports', () => {
  const graph = fileImports()
  const circles: string[] = []
  const finished = new Set<string>()
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file)
    if (start >= 0) circles.push([...way.slice(start), file].join(' -> '))
    if (start >= 0 || finished.has(file)) return
    for (const target of graph.get(file) ?? []) visit(target, [...way, file])
    finished.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  expect(graph.size).toBeGreaterThan(400)
  expect(circles).toEqual([])
})

test('folders with their parents are made by makeFolder alone: mkdir with `recursive` never ends on /proc', () => {
  const made = [...fileImports().keys()].flatMap((file) => {
    const text = readFileSync(path.join(source, file), 'utf8')
    return /\bmkdir(Sync)?\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*?\brecursive\b/.test(text) ? [file] : []
  })
  expect(made).toEqual([])
})

test('connections to other machines are made by hub/request.ts and by ranks alone; decoding processes talk through pipes', () => {
  const connecting = [...fileImports().keys()].filter((file) => {
    const text = readFileSync(path.join(source, file), 'utf8')
    return /from 'node:(https?|http2|net|tls|dgram|dns)(\/promises)?'|\bfetch\(|\bWebSocket\(/.test(text)
  })
  expect(connecting.toSorted()).toEqual([
    'distributed/free-port.ts', // asks for a free port
    'distributed/nccl/line.ts', // ranks of one run, where torchrun says that they meet
    'distributed/nccl/meeting.ts',
    'hub/request.ts',
    'report/live/document.ts', // its script asks the server of its own page
    'report/live/server.ts', // listens on 127.0.0.1
    'video/parent-watch.ts',
    'video/pool-process.ts',
  ])
})

test('temporary folders are made by makeTemporaryFolder alone: it says what is wrong with TMPDIR', () => {
  const made = [...fileImports().keys()].filter((file) => {
    const text = readFileSync(path.join(source, file), 'utf8')
    return /\bmkdtemp(Sync)?\(/.test(text) && /\btmpdir\b/.test(text)
  })
  expect(made).toEqual(['core/make-folder.ts'])
})

test('files are read by format/regular-file.ts: anything else would wait for a pipe and read a device without end', () => {
  const reading = [...fileImports().keys()].filter((file) => {
    const text = readFileSync(path.join(source, file), 'utf8')
    return /\b(readFile(Sync)?|createReadStream)\(/.test(text) && !/\.(test|d)\.ts$/.test(file)
  })
  expect(reading.toSorted()).toEqual([
    'certify/videos/audit/attacked-data.ts', // videos that were read as regular files before
    'cli/create-program.ts', // package.json
    'cli/doctor.ts', // /proc
    'cli/hangup.ts', // /proc
    'cli/stop-file.ts', // made by this program, in a folder of its own
    'core/available-memory.ts', // /proc and /sys
    'core/package-version.ts', // package.json
    'demo/demo.ts', // the metrics that it has just written
    'engine/cache-directory.ts', // the cache of this program
    'engine/cuda/kernel-files.ts', // files of the package
    'engine/native/build/levels.ts', // /proc
    'engine/native/build/sources.ts', // files of the package
    'engine/native/build/stored-library.ts', // the cache of this program
    'hub/reference.ts', // a file of the package
    'prepare/records.ts', // of a handle that format/regular-file.ts has opened
    'report/reconstruct.ts', // once it is known to be a regular file
    'train/parity.ts', // a folder that a developer names
    'train/process-identity.ts', // /proc
    'video/cpu-time.ts', // /proc
  ])
})

test('what scripts in plain JavaScript import from dist/ is exported by the same file of src/', () => {
  const missing: string[] = []
  let seen = 0
  for (const entry of readdirSync(path.join(root, 'scripts'), { recursive: true, encoding: 'utf8' })) {
    if (!/\.m?js$/.test(entry)) continue
    const text = readFileSync(path.join(root, 'scripts', entry), 'utf8')
    for (const [, list, target] of text.matchAll(/import \{([^}]*)\} from '[./]*\/dist\/([^']+)\.js'/g)) {
      const file = path.join(source, `${target}.ts`)
      const exported = existsSync(file) ? readFileSync(file, 'utf8') : ''
      for (const name of list.split(',').flatMap((part) => part.trim() || [])) {
        seen++
        const found = new RegExp(`^export (async )?(function|const|class) ${name}\\b`, 'm').test(exported)
        if (!found) missing.push(`scripts/${entry}: ${name} of src/${target}.ts`)
      }
    }
  }
  expect(seen).toBeGreaterThan(10)
  expect(missing).toEqual([])
})

/** "src/FILE.ts NAME" -> the public entry of src/ that exports it under the same name. */
function publicNames(): Map<string, string> {
  const found = new Map<string, string>()
  for (const entry of ['video', 'model', 'jobs', 'graph', 'certify', 'index']) {
    const text = readFileSync(path.join(source, `${entry}.ts`), 'utf8')
    for (const [, list, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '\.\/([^']+)'/gm)) {
      for (const name of list.split(',').flatMap((part) => part.trim().replace(/^type /, '') || [])) {
        found.set(`src/${from} ${name}`, `src/${entry}.ts`)
      }
    }
  }
  return found
}

test('scripts import a public name from its entry, and other files of src/ for what is not public alone', () => {
  const known = publicNames()
  const deep: string[] = []
  let seen = 0
  for (const entry of readdirSync(path.join(root, 'scripts'), { recursive: true, encoding: 'utf8' })) {
    if (!entry.endsWith('.ts')) continue
    const file = path.posix.join('scripts', entry.replaceAll(path.sep, '/'))
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [, list, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '(\.[^']+)'/gm)) {
      const target = path.posix.join(path.posix.dirname(file), from)
      for (const name of list.split(',').flatMap((part) => part.trim().replace(/^type /, '') || [])) {
        if (target.startsWith('src/')) seen++
        const entryOfName = known.get(`${target} ${name}`)
        if (entryOfName !== undefined) deep.push(`${file}: ${name} of ${target} is exported by ${entryOfName}`)
      }
    }
  }
  expect(seen).toBeGreaterThan(400)
  expect(deep).toEqual([])
})

/** Files of tests and scripts that others import, by what imports them. */
function helpers(): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const folder of ['src', 'test', 'scripts']) {
    for (const entry of readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|mjs)$/.test(entry)) continue
      const file = path.posix.join(folder, entry.replaceAll(path.sep, '/'))
      const text = readFileSync(path.join(root, file), 'utf8')
      for (const [, from] of text.matchAll(/(?:\bfrom|^import) '(\.[^']+)'/gm)) {
        const target = path.posix.join(path.posix.dirname(file), from)
        if (/^(test|scripts)\/(?!.*node_modules)/.test(target)) found.set(target, [...(found.get(target) ?? []), file])
      }
    }
  }
  return found
}

test('helpers of several folders are in test/support and scripts/support, and scripts next to entry points are entry points', () => {
  const elsewhere: string[] = []
  const known = helpers()
  for (const [target, users] of known) {
    const folder = path.posix.dirname(target)
    if (/^(test|scripts(\/\w+)?)\/support(\/|$)/.test(folder)) continue
    for (const user of users) {
      // A folder's own helper serves that folder and those inside it; a script's helper is never next to the script.
      const own = folder.startsWith('test/') && `${path.posix.dirname(user)}/`.startsWith(`${folder}/`)
      if (!own) elsewhere.push(`${user} imports ${target}`)
    }
  }
  expect(known.size).toBeGreaterThan(60)
  expect(elsewhere).toEqual([])
})

test('tests are declared by `test`, not also by `it`', () => {
  const tests = [...readdirSync(source, { recursive: true, encoding: 'utf8' }).map((name) => path.join(source, name))]
  for (const name of readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' }))
    tests.push(path.join(root, 'test', name))
  const files = tests.filter((file) => file.endsWith('.ts') && !file.includes('node_modules'))
  const both = files.filter((file) => /import \{[^}]*\bit\b[^}]*\} from 'vitest'/.test(readFileSync(file, 'utf8')))
  expect(files.length).toBeGreaterThan(500)
  expect(both).toEqual([])
})

test('single aggregation rules are named outside of their folder in fewer than ten lines', () => {
  const names = rules.join('|')
  // `groups` and `temporal` are words of other things, too: options and threats.
  const own = rules.filter((rule) => layouts[rule] === 'partitions' || layouts[rule] === 'spread').join('|')
  const naming = new RegExp(
    `['"\`](?:${own})['"\`]|\\brules?[ :=[]+["'\`]*(?:${names})\\b|--rule (?:${names})|\\b(?:${own}),(?:${own})\\b|\\w+_(?:fa|exact)\\b`,
  )
  const found: string[] = []
  for (const file of fileImports().keys()) {
    if (file.startsWith('certify/rules/')) continue
    for (const [i, line] of readFileSync(path.join(source, file), 'utf8').split('\n').entries()) {
      const isComment = /^\s*(?:\*|\/\/|\/\*)/.test(line)
      if (!isComment && naming.test(line)) found.push(`${file}:${i + 1} ${line.trim()}`)
    }
  }
  expect(found.length, found.join('\n')).toBeLessThan(10)
  expect(found.join()).toContain('--rule') // The example of `certify`: the pattern finds something.
})
