// Packs this checkout, installs the tarball in an empty folder as a stranger does, and uses it. Needs the npm registry.
//
//   npm run check-install                       with the Node.js that runs this
//   npm run check-install -- --node 20,22,24    with these versions, from the npm packages node-<platform>-<arch>
//   npm run check-install -- --skip-demo        leaves out the demo, which takes minutes
//
// Checks: npm runs no script of any dependency; the command line, the demo, a library program and a TypeScript program work.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const { values } = parseArgs({
  options: { node: { type: 'string' }, 'skip-demo': { type: 'boolean', default: false }, tarball: { type: 'string' } },
})
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-install-'))
const npm = findNpm()

/** npm-cli.js, so that npm runs on the Node.js that is being checked. */
function findNpm() {
  const { stdout } = spawnSync('npm', ['root', '--global'], { encoding: 'utf8' })
  const file = path.join(stdout.trim(), 'npm', 'bin', 'npm-cli.js')
  if (!existsSync(file)) throw new Error(`Expected npm at ${file}.`)
  return file
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 28, ...options })
  if (result.status !== 0) {
    const output = `${result.stdout ?? ''}${result.stderr ?? ''}`.slice(-4000)
    throw new Error(
      `Expected \`${path.basename(command)} ${args.join(' ')}\` to end with 0: ${result.status}\n${output}`,
    )
  }
  return result.stdout
}

/** The executable of a version: this one, or one from the registry. */
function nodeOf(version) {
  if (version === undefined) return process.execPath
  const into = path.join(folder, `node-${version}`)
  mkdirSync(into)
  const name = `node-${process.platform}-${process.arch}`
  run(process.execPath, [npm, 'install', '--prefix', into, '--ignore-scripts', '--no-save', `${name}@${version}`])
  return path.join(into, 'node_modules', name, 'bin', 'node')
}

const program = `
import { VideoMaeError } from 'videomae'
import { createMask, openCheckpoint } from 'videomae/model'
import { engineNamed } from 'videomae/graph'
import { listVideos } from 'videomae/video'
const engine = await engineNamed('onnx')
const { available, detail } = await engine.probe()
if (!available) throw new Error(detail)
try {
  await openCheckpoint('nowhere')
  throw new Error('a folder that does not exist was opened')
} catch (error) {
  if (!(error instanceof VideoMaeError) || error.code !== 'CHECKPOINT_NOT_FOUND') throw error
}
console.log(detail, typeof createMask, typeof listVideos)
`

function check(node, tarball) {
  const version = run(node, ['--version']).trim()
  const home = path.join(folder, `home-${version}`)
  const consumer = path.join(folder, `consumer-${version}`)
  for (const each of [home, consumer]) mkdirSync(each)
  // Default settings but for where packages come from.
  const registry = run(process.execPath, [npm, 'config', 'get', 'registry'], { cwd: root }).trim()
  const env = {
    ...process.env,
    PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH}`,
    npm_config_registry: registry,
  }
  const inside = (args) => run(node, args, { cwd: consumer, env })
  writeFileSync(path.join(consumer, 'package.json'), '{"name": "consumer", "version": "1.0.0", "type": "module"}')
  inside([npm, 'install', '--ignore-scripts=false', tarball, '@types/node@20'])
  const lock = JSON.parse(readFileSync(path.join(consumer, 'package-lock.json'), 'utf8'))
  const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript)
  if (scripted.length > 0) throw new Error(`These dependencies have install scripts: ${scripted.map(([name]) => name)}`)

  const main = path.join(consumer, 'node_modules', '.bin', 'videomae')
  inside([npm, 'exec', '--', 'videomae', 'doctor'])
  writeFileSync(path.join(consumer, 'program.mjs'), program)
  inside(['program.mjs'])
  writeFileSync(path.join(consumer, 'program.ts'), program)
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  inside([
    compiler,
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--lib',
    'es2024,dom',
    'program.ts',
  ])
  if (!values['skip-demo']) {
    inside([main, 'demo', '--out', 'demo'])
    if (!readdirSync(path.join(consumer, 'demo')).some((name) => name.endsWith('.onnx')))
      throw new Error('The demo wrote no ONNX file.')
  }
  console.log(`Node.js ${version}: installed without scripts (${Object.keys(lock.packages).length - 1} packages), used`)
}

try {
  let tarball = values.tarball && path.resolve(values.tarball)
  if (tarball === undefined) {
    run(process.execPath, [npm, 'pack', '--ignore-scripts=false', '--pack-destination', folder], { cwd: root })
    tarball = path.join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.tgz')),
    )
  }
  for (const version of values.node?.split(',') ?? [undefined]) check(nodeOf(version), tarball)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
