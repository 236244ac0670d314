// Compiles src/ to dist/ and copies the files that are not TypeScript (kernels).
// Plain JavaScript because it has to run before anything is compiled.
//
//   node scripts/build.mjs [--no-check]   without checking types, in a third of the time
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestFile, sourceDigest } from './support/source-digest.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const typescript = path.dirname(require.resolve('typescript/package.json', { paths: [root] }))

// Into a folder next to the old one, exchanged at the end: worker threads and decoding processes of running programs start
// from dist/, so it must not be half there for as long as a compilation takes.
// Each build has its own: two at the same time must not write into one.
const fresh = path.join(root, `dist.new-${process.pid}`)
const old = path.join(root, `dist.old-${process.pid}`)
const final = path.join(root, 'dist')
for (const name of readdirSync(root)) {
  const builder = /^dist\.(?:new|old)-(\d+)$/.exec(name)
  if (builder !== null && !isRunning(Number(builder[1])))
    rmSync(path.join(root, name), { recursive: true, force: true })
}
rmSync(fresh, { recursive: true, force: true })
// Before compiling: a file that changes meanwhile must not count as built.
const digest = sourceDigest(root)
const unchecked = process.argv.includes('--no-check') ? ['--noCheck'] : []
const compiled = spawnSync(
  process.execPath,
  [path.join(typescript, 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh, ...unchecked],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (compiled.status !== 0) {
  rmSync(fresh, { recursive: true, force: true })
  process.exit(compiled.status ?? 1)
}

const assets = ['.cu', '.cuh', '.c', '.h']
for (const entry of readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !assets.includes(path.extname(entry.name))) continue
  const from = path.join(entry.parentPath, entry.name)
  cpSync(from, path.join(fresh, path.relative(path.join(root, 'src'), from)))
}

writeFileSync(path.join(fresh, digestFile), digest)

exchange()
rmSync(old, { recursive: true, force: true })

/** Puts the new folder into the place of the old one. Another build may do the same at this moment: the last one stays. */
function exchange() {
  for (let attempt = 0; ; attempt++) {
    rmSync(old, { recursive: true, force: true })
    try {
      if (existsSync(final)) renameSync(final, old)
      renameSync(fresh, final)
      return
    } catch (error) {
      if (attempt === 100 || !['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error
    }
  }
}

/** Whether a process of that number is there. */
function isRunning(pid) {
  try {
    process.kill(pid, 0)
    return pid !== process.pid
  } catch (error) {
    return error.code === 'EPERM'
  }
}
