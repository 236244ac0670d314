// Compiles the kernels of the native engine into the package, at every processor level, so that an installed package
// needs no compiler. bundle-dependencies.mjs, which runs before `npm pack`, starts it; it needs `npm run build`.
//
//   node scripts/build-native.mjs [--into FOLDER]
//   node scripts/build-native.mjs --remove [--into FOLDER]
//
// FOLDER is the compiled package; default: dist. VIDEOMAE_PACK_PLATFORMS as in bundle-dependencies.mjs; VIDEOMAE_PACK_LEVELS
// limits the levels. Kernels for this platform are taken from the cache where they are there. For Linux on the other
// architecture a cross compiler is needed (Debian: gcc-aarch64-linux-gnu). Where there is no compiler for a platform the
// package holds no kernels for it, and a line says so: its machines compile them.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { compileLibrary, compilerOptions, findCommand, findCompiler } from '../dist/engine/native/build/compiler.js'
import { levels } from '../dist/engine/native/build/levels.js'
import { obtainLibrary, prebuiltPrefix } from '../dist/engine/native/build/library-file.js'
import { kernelSources } from '../dist/engine/native/build/sources.js'
import { storeLibrary } from '../dist/engine/native/build/stored-library.js'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const { values } = parseArgs({
  options: { into: { type: 'string', default: dist }, remove: { type: 'boolean', default: false } },
})
const prebuilt = path.join(values.into, 'engine', 'native', 'prebuilt')
rmSync(prebuilt, { recursive: true, force: true })
if (values.remove) process.exit(0)

const wanted = (process.env.VIDEOMAE_PACK_LEVELS ?? levels.join(',')).split(',')
const unknown = wanted.find((level) => !levels.includes(level))
if (unknown !== undefined) {
  throw new Error(`Expected VIDEOMAE_PACK_LEVELS to list levels of ${levels.join(', ')}, received ${unknown}.`)
}

const here = `${process.platform}-${process.arch}`
const listed = (process.env.VIDEOMAE_PACK_PLATFORMS ?? here).split(',')
const platforms = listed.includes('all') ? ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'] : listed
const crossCompilers = { 'linux-x64': 'x86_64-linux-gnu-gcc', 'linux-arm64': 'aarch64-linux-gnu-gcc' }

/** The compiler for a platform, or null. */
function compilerFor(platform) {
  if (platform === here) return findCompiler()
  const name = process.platform === 'linux' ? crossCompilers[platform] : undefined
  return name === undefined ? null : findCommand(name)
}

const sources = kernelSources()
for (const platform of platforms) {
  const folder = path.join(prebuilt, platform)
  if (!/^(linux|darwin)-(x64|arm64)$/.test(platform)) continue // no kernels for it
  const compiler = compilerFor(platform)
  if (compiler === null) {
    console.log(`no C compiler for ${platform}: the package holds no kernels for it, and its machines compile them`)
    continue
  }
  mkdirSync(folder, { recursive: true })
  for (const level of wanted.filter((level) => (level === 'neon') === platform.endsWith('arm64'))) {
    const prefix = prebuiltPrefix(level, sources)
    if (platform === here) storeLibrary((await obtainLibrary(() => {}, level)).path, folder, prefix)
    else {
      const work = mkdtempSync(path.join(os.tmpdir(), 'videomae-kernels-'))
      try {
        storeLibrary(await compileLibrary(compiler, sources.files, compilerOptions(level, false), work), folder, prefix)
      } finally {
        rmSync(work, { recursive: true, force: true })
      }
    }
    console.log(`packed the native engine for ${platform}, ${level}, made with ${compiler.command}`)
  }
}
