// Compiles src/ to dist/ and copies the files that are not TypeScript (CUDA kernels).
// Plain JavaScript because it has to run before anything is compiled.
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const require = createRequire(import.meta.url)
const typescript = path.dirname(require.resolve('typescript/package.json', { paths: [root] }))

rmSync(path.join(root, 'dist'), { recursive: true, force: true })
const compiled = spawnSync(process.execPath, [path.join(typescript, 'bin', 'tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

const assets = ['.cu', '.cuh']
for (const entry of readdirSync(path.join(root, 'src'), { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !assets.includes(path.extname(entry.name))) continue
  const from = path.join(entry.parentPath, entry.name)
  cpSync(from, path.join(root, 'dist', path.relative(path.join(root, 'src'), from)))
}
