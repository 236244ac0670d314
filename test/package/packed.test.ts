/**
 * The packed package as a consumer has it: extracted in an empty project beside the packages that it declares, and no
 * others. `npm run check-install` does the same with a real install, which needs the registry.
 */
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = path.resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-packed-'))
const staged = path.join(folder, 'staged')
const consumer = path.join(folder, 'consumer')
const installed = path.join(consumer, 'node_modules', 'videomae')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  files: readonly string[]
  scripts: Record<string, string>
  dependencies: Record<string, string>
  optionalDependencies: Record<string, string>
}
let files: string[] = []

function run(command: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  expect(status, `${stdout}${stderr}`).toBe(0)
  return stdout
}

beforeAll(() => {
  // A copy, since packing puts folders into dist/ that other tests must not see. Folders that start with `!` are patterns.
  mkdirSync(staged)
  for (const name of ['package.json', ...manifest.files.filter((each) => !each.startsWith('!'))]) {
    cpSync(path.join(root, name), path.join(staged, name), { recursive: true })
  }
  run(process.execPath, [path.join(root, 'scripts/bundle-dependencies.mjs'), '--into', path.join(staged, 'dist')], root)
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], staged)
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))
  mkdirSync(installed, { recursive: true })
  run('tar', ['xzf', path.join(folder, tarball as string), '--strip-components=1', '-C', installed], folder)
  files = (readdirSync(installed, { recursive: true }) as string[]).map((file) => file.replaceAll('\\', '/'))
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
    const from = path.join(root, 'node_modules', name)
    if (!existsSync(from)) continue // of another platform
    const link = path.join(consumer, 'node_modules', name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(from, link)
  }
  // The declarations speak of Node.js, as those of most packages for it.
  mkdirSync(path.join(consumer, 'node_modules', '@types'), { recursive: true })
  symlinkSync(path.join(root, 'node_modules/@types/node'), path.join(consumer, 'node_modules/@types/node'))
  writeFileSync(path.join(consumer, 'package.json'), '{"type": "module"}')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the packed package', () => {
  it('is built and bundled by npm pack', () => {
    expect(manifest.scripts.prepack).toContain('bundle-dependencies')
    expect(manifest.scripts.prepack).toContain('npm run build')
  })

  it('holds what a user needs and nothing else', () => {
    for (const needed of ['dist/index.js', 'dist/cli/main.js', 'models/schema.json', 'docs/cli.md', 'README.md']) {
      expect(files).toContain(needed)
    }
    expect(files.filter((file) => /\.map$|\.test\.|^(dev|src|test|scripts)\/|docs\/(log|results)/.test(file))).toEqual(
      [],
    )
    const runtimes = files.filter((file) => /onnxruntime_binding\.node$/.test(file))
    expect(runtimes).toHaveLength(1)
    expect(runtimes[0]).toContain(`/${process.platform}/${process.arch}/`)
  })

  it('has no script that npm would run for a consumer', () => {
    for (const file of files.filter((name) => /(^|\/)package\.json$/.test(name))) {
      const { scripts = {} } = JSON.parse(readFileSync(path.join(installed, file), 'utf8')) as typeof manifest
      for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts, file).not.toHaveProperty(name)
    }
  })

  it('runs its command line with its own ONNX Runtime, decoder and foreign functions', () => {
    const report = run(process.execPath, [path.join(installed, 'dist/cli/main.js'), 'doctor'], consumer)
    expect(report).toMatch(/onnx/)
    expect(report).toMatch(/node-av/)
  })

  it('on a platform that it was not packed for takes the ONNX Runtime installed beside it, or says how to get it', () => {
    const bundled = path.join(installed, 'dist/node_modules/onnxruntime-node/bin')
    renameSync(bundled, `${bundled}.away`)
    const beside = path.join(consumer, 'node_modules/onnxruntime-node')
    try {
      const probe = `import { engineNamed } from 'videomae'
const { available, detail } = await (await engineNamed('onnx')).probe()
console.log(available, detail)`
      writeFileSync(path.join(consumer, 'probe.mjs'), probe)
      expect(run(process.execPath, ['probe.mjs'], consumer)).toMatch(
        /^false .*npm install --ignore-scripts onnxruntime-node/,
      )
      symlinkSync(path.join(root, 'node_modules/onnxruntime-node'), beside)
      expect(run(process.execPath, ['probe.mjs'], consumer)).toMatch(/^true /)
    } finally {
      rmSync(beside, { force: true })
      renameSync(`${bundled}.away`, bundled)
    }
  })

  it('is a library for programs and for the type checker', () => {
    const program = `import { createMask, engineNamed, type ModelConfiguration } from 'videomae'
const engine = await engineNamed('onnx')
const probe: { readonly available: boolean; readonly detail: string } = await engine.probe()
if (!probe.available) throw new Error(probe.detail)
export type Model = ModelConfiguration
console.log(typeof createMask)
`
    writeFileSync(path.join(consumer, 'program.ts'), program)
    const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,dom', '--types', 'node']
    run(process.execPath, [compiler, ...options, 'program.ts'], consumer)
    expect(run(process.execPath, ['program.js'], consumer)).toBe('function\n')
  })
})
