/**
 * The packed package as a consumer has it: extracted in an empty project next to the packages that it declares, and no
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
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { findCompiler } from '../../src/engine/native/build/compiler.ts'
import { processorLevels } from '../../src/engine/native/build/levels.ts'

// Kernels are compiled while the package is made.
vi.setConfig({ hookTimeout: 900_000 })

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
/** Kernels of one level are packed here: compiling them all takes a minute. */
const testedLevel = processorLevels().at(-1) ?? 'avx2'
const kernelsMissing =
  processorLevels().length === 0 ? 'no kernels for this processor' : findCompiler() === null ? 'no C compiler' : null

/** Environment of a machine that has no compiler and nothing compiled. */
function bareMachine(): NodeJS.ProcessEnv {
  const cache = mkdtempSync(path.join(folder, 'cache-'))
  return { PATH: '', CC: '', VIDEOMAE_CC: '', VIDEOMAE_CACHE: cache, VIDEOMAE_NATIVE_LEVEL: testedLevel }
}

function run(command: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv = {}): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  expect(status, `${stdout}${stderr}`).toBe(0)
  return stdout
}

beforeAll(() => {
  // A copy, since packing puts folders into dist/ that other tests must not see. Folders that start with `!` are patterns.
  mkdirSync(staged)
  for (const name of ['package.json', ...manifest.files.filter((each) => !each.startsWith('!'))]) {
    cpSync(path.join(root, name), path.join(staged, name), { recursive: true })
  }
  const bundle = path.join(root, 'scripts/bundle-dependencies.mjs')
  run(process.execPath, [bundle, '--into', path.join(staged, 'dist')], root, { VIDEOMAE_PACK_LEVELS: testedLevel })
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
  test('is built and bundled by npm pack', () => {
    expect(manifest.scripts.prepack).toContain('bundle-dependencies')
    expect(manifest.scripts.prepack).toContain('npm run build')
  })

  test('holds what a user needs and nothing else', () => {
    for (const needed of [
      'dist/index.js',
      'dist/cli/main.js',
      'models/schema.json',
      'docs/cli.md',
      'examples/onnx/clip.mjs',
      'README.md',
    ]) {
      expect(files).toContain(needed)
    }
    expect(files.filter((file) => /\.map$|\.test\.|^(dev|src|test|scripts)\/|docs\/(log|results)/.test(file))).toEqual(
      [],
    )
    const runtimes = files.filter((file) => /onnxruntime_binding\.node$/.test(file))
    expect(runtimes).toHaveLength(1)
    expect(runtimes[0]).toContain(`/${process.platform}/${process.arch}/`)
  })

  test('has no script that npm would run for a consumer', () => {
    for (const file of files.filter((name) => /(^|\/)package\.json$/.test(name))) {
      const { scripts = {} } = JSON.parse(readFileSync(path.join(installed, file), 'utf8')) as typeof manifest
      for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts, file).not.toHaveProperty(name)
    }
  })

  test('runs its command line with its own ONNX Runtime, decoder and foreign functions', () => {
    const report = run(process.execPath, [path.join(installed, 'dist/cli/main.js'), 'doctor'], consumer)
    expect(report).toMatch(/onnx/)
    expect(report).toMatch(/node-av/)
  })

  test('on a platform that it was not packed for takes the ONNX Runtime installed next to it, or says how to get it', () => {
    const bundled = path.join(installed, 'dist/node_modules/onnxruntime-node/bin')
    renameSync(bundled, `${bundled}.away`)
    const beside = path.join(consumer, 'node_modules/onnxruntime-node')
    try {
      const probe = `import { engineNamed } from 'videomae/graph'
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

  test.skipIf(kernelsMissing !== null)(
    `runs the native engine on a machine without a compiler${kernelsMissing === null ? '' : ` (${kernelsMissing})`}`,
    () => {
      writeFileSync(
        path.join(consumer, 'native.mjs'),
        `import { add, engineNamed, Graph } from 'videomae/graph'
const graph = new Graph('sum')
const program = graph.build({ y: add(graph.input('a', [3]), graph.input('b', [3])) })
const engine = await engineNamed('native')
const session = await engine.open([program])
const { y } = await session.run('sum', { a: Float32Array.of(1, 2, 3), b: Float32Array.of(10, 20, 30) })
await session.close()
console.log((await engine.probe()).detail, [...y].join(' '))
`,
      )
      const said = run(process.execPath, ['native.mjs'], consumer, bareMachine())
      expect(said).toContain(`${testedLevel}, kernels are in the package`)
      expect(said).toContain('11 22 33')
    },
  )

  test.skipIf(kernelsMissing !== null)('uses kernels of the package only with the sources they are made from', () => {
    const source = path.join(installed, 'dist/engine/native/kernels/reductions.c')
    const text = readFileSync(source, 'utf8')
    try {
      writeFileSync(source, `${text}\n`)
      const doctor = [path.join(installed, 'dist/cli/main.js'), 'doctor']
      expect(run(process.execPath, doctor, consumer, bareMachine())).toMatch(/absent {3}engine native .*no C compiler/)
    } finally {
      writeFileSync(source, text)
    }
  })

  test('says in one line why onnx runs where there is neither a compiler nor kernels', () => {
    const kernels = path.join(installed, 'dist/engine/native/prebuilt')
    const aside = path.join(folder, 'prebuilt')
    if (existsSync(kernels)) renameSync(kernels, aside)
    try {
      const script = `import { chooseEngine } from './node_modules/videomae/dist/train/engine-choice.js'
console.log((await chooseEngine(null)).name)
`
      writeFileSync(path.join(consumer, 'auto.mjs'), script)
      const { stdout, stderr } = spawnSync(process.execPath, ['auto.mjs'], {
        cwd: consumer,
        encoding: 'utf8',
        env: { ...process.env, ...bareMachine() },
      })
      expect(stdout).toBe('onnx\n')
      expect(stderr).toMatch(/^Using the engine onnx\. .+\n$/)
    } finally {
      if (existsSync(aside)) renameSync(aside, kernels)
    }
  })

  test('is a library for programs and for the type checker', () => {
    const program = `import { pretrain, type RunConfiguration } from 'videomae'
import { engineNamed } from 'videomae/graph'
const engine = await engineNamed('onnx')
const probe: { readonly available: boolean; readonly detail: string } = await engine.probe()
if (!probe.available) throw new Error(probe.detail)
export type Model = RunConfiguration
console.log(typeof pretrain)
`
    writeFileSync(path.join(consumer, 'program.ts'), program)
    const compiler = path.join(root, 'node_modules/typescript/bin/tsc')
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2024', '--lib', 'es2024,dom', '--types', 'node']
    run(process.execPath, [compiler, ...options, 'program.ts'], consumer)
    expect(run(process.execPath, ['program.js'], consumer)).toBe('function\n')
  })
})
