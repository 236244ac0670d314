// Puts three dependencies into dist/node_modules, where Node.js finds them before any other copy. Runs before `npm pack`.
//
// onnxruntime-node, node-av and koffi have install scripts that npm runs in the project of whoever depends on this package:
// they download binaries that nothing here needs, and fail the install where they cannot. What they install from the
// registry is enough, so the packed package carries their JavaScript, the ONNX Runtime of the packing platform, and names
// the platform packages of the other two (which have no scripts) as optional dependencies of its own. Kernels of the native
// engine are compiled into the package as well (build-native.mjs).
//
//   node scripts/bundle-dependencies.mjs [--into FOLDER]   default: dist
//   node scripts/bundle-dependencies.mjs --remove          after packing: the checkout uses its own node_modules
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const installed = path.join(root, 'node_modules')
const into = process.argv.indexOf('--into')
const compiled = into === -1 ? path.join(root, 'dist') : path.resolve(process.argv[into + 1])
const target = path.join(compiled, 'node_modules')
const remove = process.argv.includes('--remove')

/** `linux-x64` and the like, or `all`; default: this machine. */
const platforms = (process.env.VIDEOMAE_PACK_PLATFORMS ?? `${process.platform}-${process.arch}`).split(',')

const never = /\.map$|\.tsbuildinfo$/
const bundled = [
  { name: 'onnxruntime-node', keep: (file) => /^(dist|README)/.test(file) || isWantedRuntime(file) },
  // The type declarations are kept: those of this package speak of them.
  { name: 'node-av', keep: (file) => /^(dist|README|LICENSE)/.test(file) && !/^dist\/ffmpeg\/install/.test(file) },
  { name: 'koffi', keep: (file) => /^(index|indirect|LICENSE|src\/koffi\/.*\.(c?js|d\.ts)$)/.test(file) },
]

function isWantedRuntime(file) {
  const [, platform, arch] = /^bin\/napi-v\d+\/([^/]+)\/([^/]+)\//.exec(file) ?? []
  return platform !== undefined && (platforms.includes('all') || platforms.includes(`${platform}-${arch}`))
}

/** A package as it is installed, without scripts, and without dependencies that only its scripts need. */
function manifestOf(name) {
  const { version, license, type, main, module, types, exports, imports, os, cpu, engines, description, homepage } =
    JSON.parse(readFileSync(path.join(installed, name, 'package.json'), 'utf8'))
  return {
    name,
    version,
    description,
    homepage,
    license,
    type,
    main,
    module,
    types,
    exports,
    imports,
    os,
    cpu,
    engines,
  }
}

rmSync(target, { recursive: true, force: true })
const kernels = spawnSync(
  process.execPath,
  [path.join(root, 'scripts/build-native.mjs'), '--into', compiled, ...(remove ? ['--remove'] : [])],
  { stdio: 'inherit' },
)
if (kernels.status !== 0) process.exit(kernels.status ?? 1)
if (remove) process.exit(0)
for (const { name, keep } of bundled) {
  const from = path.join(installed, name)
  if (!existsSync(from)) throw new Error(`Expected ${name} to be installed. Run \`npm ci --ignore-scripts\` first.`)
  const files = readdirSync(from, { recursive: true })
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => !file.startsWith('node_modules/') && !never.test(file) && keep(file))
    .filter((file) => statSync(path.join(from, file)).isFile())
  if (files.length === 0) throw new Error(`Expected files of ${name} to bundle and found none in ${from}.`)
  for (const file of files) cpSync(path.join(from, file), path.join(target, name, file))
  mkdirSync(path.join(target, name), { recursive: true })
  writeFileSync(path.join(target, name, 'package.json'), `${JSON.stringify(manifestOf(name), null, 2)}\n`)
  console.log(`bundled ${name}: ${files.length} files`)
}
const runtimes = path.join(target, 'onnxruntime-node', 'bin')
if (!existsSync(runtimes)) throw new Error(`onnxruntime-node has no build for ${platforms.join(', ')}.`)
