/** The pages say what the program has: every error code with its exit code, every option; and their links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { createProgram } from '../src/cli/create-program.ts'
import { type ExitKind, exitCodes } from '../src/core/errors.ts'
import { finetuneConfiguration } from '../src/finetune/configuration.ts'

const root = path.join(import.meta.dirname, '..')
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8')

const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  ...readdirSync(path.join(root, 'dev'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `dev/${name}`),
  'checkpoints/README.md',
]

describe('error codes', () => {
  /** Variables of the environment look like codes; so do those of Node.js, ERR_. */
  const variable =
    /^(ERR|VIDEOMAE|FFMPEG|CUDA|LD|VIRTUAL|CONDA|OMPI|PMI|PMIX|SLURM|WORLD|MASTER|LOCAL|MV2|HF)_|^MPI_LOCALRANKID$|^(HTTPS?|ALL|NO)_PROXY$/
  /** What the command line prints of its own, with --json. */
  const printed = new Map<string, ExitKind>([
    ['USAGE', 'usage'],
    ['INTERNAL', 'internal'],
  ])

  /** Code -> the exit codes it is thrown with, as far as they stand next to it. */
  function thrown(): Map<string, Set<number>> {
    const found = new Map<string, Set<number>>()
    const note = (code: string, exit: ExitKind | null): void => {
      const exits = found.get(code) ?? new Set()
      if (exit !== null) exits.add(exitCodes[exit])
      found.set(code, exits)
    }
    for (const file of readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
      if (!file.endsWith('.ts') || file.endsWith('.test.ts')) continue
      const text = read(path.join('src', file))
      for (const [, code] of text.matchAll(/'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)'/g))
        if (!variable.test(code)) note(code, null)
      for (const [, codes, exit] of text.matchAll(/\bcode: ([^,}]+?)(?:,\s*exit: '(\w+)'|[,}])/g)) {
        for (const [, code] of codes.matchAll(/'([A-Z_]+)'/g)) {
          // Without an exit code an error is a defect; what tells of an unreadable video is no error.
          const left = code.startsWith('VIDEO_') ? 'data' : 'internal'
          note(code, printed.get(code) ?? (exit as ExitKind | undefined) ?? left)
        }
      }
      for (const [, code] of text.matchAll(/\bvideoError\(\s*'([A-Z_]+)'/g)) note(code, 'data')
    }
    return found
  }

  test('stand in docs/errors.md, each once, with their exit codes', () => {
    const rows = [...read('docs/errors.md').matchAll(/^\| `([A-Z_]+)` \| ([\d, ]+) \|/gm)]
    const documented = rows.map(([, code, exits]) => `${code} ${exits}`)
    const actual = [...thrown()].map(([code, exits]) => {
      // A video that cannot be decoded ends a command about that video alone with 3, whatever it failed with.
      if (code.startsWith('VIDEO_')) exits.add(exitCodes.data)
      return `${code} ${[...exits].sort((a, b) => a - b).join(', ')}`
    })
    expect(documented.toSorted()).toEqual(actual.toSorted())
  })

  test('that a page names exist', () => {
    const known = thrown()
    for (const page of pages) {
      const named = [...read(page).matchAll(/`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`/g)].map(([, code]) => code)
      expect(
        named.filter((code) => !known.has(code) && !variable.test(code)),
        page,
      ).toEqual([])
    }
  })
})

describe('options', () => {
  const { commands } = createProgram()

  test('in the table of defaults belong to the commands of their row', () => {
    const names = new Set(commands.map((command) => command.name()))
    let current: readonly string[] = []
    let checked = 0
    for (const [, first, second] of read('docs/cli.md').matchAll(/^\|([^|\n]*)\|([^|\n]*)\|/gm)) {
      const named = [...first.matchAll(/`([\w-]+)`/g)].map(([, name]) => name)
      if (named.length > 0) current = named.every((name) => names.has(name)) ? named : []
      else if (first.trim() !== '') current = []
      for (const [, option] of second.matchAll(/`(--[\w-]+)/g)) {
        for (const name of current) {
          const command = commands.find((other) => other.name() === name)
          expect(
            command?.options.map(({ long }) => long?.replace(/^--no-/, '--')),
            `${name} ${option}`,
          ).toContain(option.replace(/^--no-/, '--'))
          checked++
        }
      }
    }
    expect(checked).toBeGreaterThan(60)
  })

  test('behind a command in a page are options of that command', () => {
    const optionsOf = new Map(commands.map((each) => [each.name(), new Set(each.options.map(({ long }) => long))]))
    const foreign: string[] = []
    let checked = 0
    for (const page of pages) {
      const text = read(page).replaceAll(/\\\n\s*/g, ' ')
      for (const [, name, rest] of text.matchAll(/videomae ([a-z-]+)([^`|;&#\n]*)/g)) {
        // Behind `--` of `launch` is another command.
        const [own] = rest.split(/ -- /)
        const known = optionsOf.get(name)
        if (known === undefined) continue
        for (const [option] of own.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)) {
          checked++
          if (!known.has(option) && option !== '--help') foreign.push(`${page}: ${name} ${option}`)
        }
      }
    }
    expect(foreign).toEqual([])
    expect(checked).toBeGreaterThan(100)
  })

  test('of every command are mentioned in a page', () => {
    expect(commands.length).toBeGreaterThan(10)
    // Not the page of other programs' flags, some of which have the same names.
    const own = pages.filter((page) => page !== 'docs/from-python.md')
    const text = own.map(read).join('\n')
    const missing = commands.flatMap((command) => {
      expect(text, command.name()).toContain(`videomae ${command.name()}`)
      return command.options
        .filter(({ long }) => long !== undefined && !new RegExp(`${long}(?![\\w-])`).test(text))
        .map(({ long }) => `${command.name()} ${long}`)
    })
    expect(missing).toEqual([])
  })
})

test('what help says of the defaults of a recipe is what the recipe has', () => {
  const { mode, probe, seed } = finetuneConfiguration({})
  const command = createProgram().commands.find((other) => other.name() === 'finetune')
  const said = (command?.options ?? []).flatMap(({ long, description }) => {
    const value = /from the recipe, else (\S+)/.exec(description)?.[1]
    return value === undefined ? [] : [[long, value]]
  })
  expect(said).toEqual([
    ['--mode', mode],
    ['--readout', probe.readout],
    ['--seed', String(seed)],
  ])
})

describe('keys of a recipe', () => {
  interface Schema {
    readonly properties?: Readonly<Record<string, Schema>>
  }
  /** Names of the keys of a JSON schema, of nested objects with dots: `mask.ratio`. */
  function keys({ properties = {} }: Schema, prefix = ''): string[] {
    return Object.entries(properties).flatMap(([name, value]) =>
      value.properties === undefined ? [prefix + name] : keys(value, `${prefix}${name}.`),
    )
  }

  test.each(['schema', 'finetune-schema'])('of models/%s.json are in docs/configuration.md', (name) => {
    const page = read('docs/configuration.md')
    const known = keys(JSON.parse(read(`models/${name}.json`)))
    expect(known.length).toBeGreaterThan(40)
    expect(known.filter((key) => !page.includes(`\`${key}\``))).toEqual([])
  })

  test('in the tables of docs/configuration.md exist', () => {
    const known = new Set(
      ['schema', 'finetune-schema'].flatMap((name) => keys(JSON.parse(read(`models/${name}.json`)))),
    )
    const named = [...read('docs/configuration.md').matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell]) =>
      [...cell.matchAll(/`([a-z][\w.]*)`/gi)].map(([, key]) => key),
    )
    expect(named.length).toBeGreaterThan(80)
    expect(named.filter((key) => !known.has(key))).toEqual([])
  })
})

describe('pages', () => {
  const withoutCode = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '')

  /** Anchors of the headings of a page, as GitHub makes them. */
  function anchors(page: string): Set<string> {
    const seen = new Map<string, number>()
    const made = new Set<string>()
    for (const [, heading] of withoutCode(read(page)).matchAll(/^#{1,6} (.+)$/gm)) {
      const slug = heading
        .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .replaceAll(/\s/g, '-')
      const before = seen.get(slug) ?? 0
      seen.set(slug, before + 1)
      made.add(before === 0 ? slug : `${slug}-${before}`)
    }
    return made
  }

  /** Where the links and pictures of a page lead in the repository: a path from its root, and an anchor. */
  function links(
    page: string,
  ): { readonly link: string; readonly target: string; readonly anchor: string | undefined }[] {
    const prose = withoutCode(read(page)).replaceAll(/`[^`\n]*`/g, '')
    return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
      if (/^[a-z]+:/.test(link)) return [] // elsewhere
      const [file, anchor] = link.split('#')
      const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file)
      return [{ link, target, anchor }]
    })
  }

  test.each(pages)('%s: links, pictures and anchors exist', (page) => {
    const broken = links(page).filter(({ target, anchor }) => {
      if (!existsSync(path.join(root, target))) return true
      return anchor !== undefined && !anchors(target).has(anchor)
    })
    expect(broken.map(({ link }) => link)).toEqual([])
  })

  test('of docs/ can be reached from the README', () => {
    const reached = new Set(['README.md'])
    for (const page of reached) {
      for (const { target } of links(page)) if (pages.includes(target)) reached.add(target)
    }
    expect(pages.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
  })

  test('that are packed lead to nothing that is not', () => {
    const outside = pages
      .filter((page) => page.startsWith('docs/'))
      .flatMap((page) => links(page).map(({ target }) => `${page} -> ${target}`))
      .filter((link) => / -> (dev|src|test|scripts|checkpoints|\.\.)\//.test(link))
    expect(outside).toEqual([])
  })

  test('of benchmarks has every script once', () => {
    const named = [...read('dev/benchmarks.md').matchAll(/^\| `([\w-]+\.ts)` \|/gm)].map(([, name]) => name)
    const scripts = readdirSync(path.join(root, 'scripts/bench')).filter((name) => name.endsWith('.ts'))
    expect(named).toEqual(scripts.toSorted((a, b) => a.replace('.ts', '').localeCompare(b.replace('.ts', ''), 'en')))
  })

  test('name no path of one machine', () => {
    const pathsOfMachines =
      /(?:^|[\s"'`(=])(?:\.\.\/shared|[A-Z]:\\|\/(?:work|tmp|home|root|mnt|media|Users|data|scratch)\/)/m
    expect(pages.filter((page) => pathsOfMachines.test(read(page)))).toEqual([])
  })
})
