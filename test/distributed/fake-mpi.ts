import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'

const compiler = ['cc', 'gcc', 'clang'].find((name) => spawnSync(name, ['--version']).status === 0)
export const hasCompiler = compiler !== undefined

/** Compiles `fake-mpi.c` for the time of a test; the path of the library. */
export function fakeMpi(...flags: readonly string[]): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-fake-mpi-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'fake-mpi.so')
  execFileSync(compiler as string, [
    '-shared',
    '-fPIC',
    '-o',
    file,
    path.join(import.meta.dirname, 'fake-mpi.c'),
    ...flags,
  ])
  return file
}
