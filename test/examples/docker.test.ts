/** The Dockerfiles, as far as they can be checked without an engine that builds them. */
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'

const root = path.join(import.meta.dirname, '../..')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  readonly name: string
  readonly bin: Readonly<Record<string, string>>
  readonly scripts: Readonly<Record<string, string>>
  readonly engines: { readonly node: string }
}

interface Instruction {
  readonly name: string
  readonly text: string
}

/** Instructions of a Dockerfile: comments left out, lines that continue joined. */
function instructionsOf(text: string): Instruction[] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll('\\\n', ' ')
    .split('\n')
  return lines.flatMap((line) => {
    const match = /^([A-Z]+) (.+)$/.exec(line.trim())
    if (line.trim() === '') return []
    if (match === null) throw new Error(`Expected an instruction: ${line}`)
    return [{ name: match[1], text: match[2] }]
  })
}

describe.each(['cpu', 'cuda'])('%s.Dockerfile', (kind) => {
  const file = path.join('examples/docker', `${kind}.Dockerfile`)
  const text = readFileSync(path.join(root, file), 'utf8')
  const instructions = instructionsOf(text)
  const of = (name: string): string[] => instructions.filter((each) => each.name === name).map((each) => each.text)

  test('has instructions that Docker knows, and begins with a stage', () => {
    const known = ['FROM', 'WORKDIR', 'COPY', 'RUN', 'ENV', 'ENTRYPOINT', 'CMD']
    expect(instructions.filter(({ name }) => !known.includes(name))).toEqual([])
    expect(instructions[0].name).toBe('FROM')
    for (const list of [...of('ENTRYPOINT'), ...of('CMD')]) expect(JSON.parse(list)).toBeInstanceOf(Array)
  })

  test('copies files that exist, from stages that exist, and nothing that belongs to this machine', () => {
    const stages = of('FROM').flatMap((from) => / AS (\w+)$/.exec(from)?.[1] ?? [])
    for (const copy of of('COPY')) {
      const parts = copy.split(' ')
      const stage = /^--from=(.+)$/.exec(parts[0])?.[1]
      if (stage !== undefined) expect(stages).toContain(stage)
      else for (const source of parts.slice(0, -1)) expect(existsSync(path.join(root, source)), source).toBe(true)
    }
    const ignored = readFileSync(path.join(root, `${file}.dockerignore`), 'utf8')
      .trimEnd()
      .split('\n')
    expect(ignored).toEqual(expect.arrayContaining(['node_modules', 'dist', 'checkpoints', '.git']))
  })

  test('packs this package, installs the tarball without scripts, and starts its program on a Node.js that it supports', () => {
    const [install, pack, use] = of('RUN')
    expect(install).toBe('npm ci --ignore-scripts')
    const into = /^npm pack --pack-destination (\S+)$/.exec(pack)?.[1]
    expect(manifest.scripts.prepack).toContain('npm run build')
    const copied = new RegExp(`^--from=build ${into}/${manifest.name}-\\*\\.tgz (\\S+)$`)
    const tarball = of('COPY').flatMap((copy) => copied.exec(copy)?.[1] ?? [])
    expect(tarball).toHaveLength(1)
    expect(use).toContain(`install --global --ignore-scripts ${tarball[0]} `)
    expect(Object.keys(manifest.bin)).toEqual(JSON.parse(of('ENTRYPOINT')[0]))
    const version = Number(/^node:(\d+)-/.exec(of('FROM')[0])?.[1])
    expect(version).toBeGreaterThanOrEqual(Number(/\d+/.exec(manifest.engines.node)?.[0]))
  })

  test('shows commands that the program has', () => {
    const commands = [...text.matchAll(/^#\s+(?:docker run .*? videomae(?::cuda)? |)(doctor|pretrain|--help)\b/gm)]
    expect(commands.length).toBeGreaterThan(0)
    expect(text).toContain(`docker build -f ${file}`)
  })
})
