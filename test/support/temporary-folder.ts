/**
 * Runs once before all tests: their temporary files are in one folder, which goes when they end, also those of workers that are
 * stopped. A run that was killed leaves its folder; the next run removes it. Tests that import ONNX Runtime by itself do not start its
 * telemetry.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { type ProcessIdentity, stateOf, thisProcess } from '../../src/train/process-identity.ts'

const prefix = 'videomae-tests-'
const ownerFile = '.owner.json'

interface Owner {
  readonly process: ProcessIdentity
  /** The folder that Vitest makes for itself; null: none. */
  readonly runner: string | null
}

/** Set once a folder is there. Each project of Vitest calls the setup. */
const variable = 'TEST_TEMPORARY_FOLDER'

export default function setup({ tmpDir }: TestProject): () => void {
  if (process.env[variable] !== undefined) return () => undefined
  const parent = os.tmpdir()
  removeLeftovers(parent)
  const folder = claimFolder(parent, { process: thisProcess(), runner: tmpDir ?? null })
  Object.assign(process.env, {
    TMPDIR: folder,
    TMP: folder,
    TEMP: folder,
    ORT_DISABLE_TELEMETRY: '1',
    [variable]: folder,
  })
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  process.once('exit', remove) // where Vitest ends without calling what is returned
  return remove
}

/** Makes a folder that says whose it is. */
export function claimFolder(parent: string, owner: Owner): string {
  const folder = mkdtempSync(path.join(parent, prefix))
  writeFileSync(path.join(folder, ownerFile), JSON.stringify(owner))
  chmodSync(folder, 0o1777) // as the folder of the system: some tests become another user
  return folder
}

/** Removes the folders of runs that have ended without doing so. */
export function removeLeftovers(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(prefix)) continue
    const folder = path.join(parent, name)
    const owner = ownerOf(folder)
    if (owner === null || stateOf(owner.process) !== 'ended') continue
    const { runner } = owner
    for (const each of runner !== null && path.dirname(runner) === parent ? [runner, folder] : [folder])
      rmSync(each, { recursive: true, force: true })
  }
}

/** Null where the folder does not say it: its run may continue. */
function ownerOf(folder: string): Owner | null {
  try {
    return JSON.parse(readFileSync(path.join(folder, ownerFile), 'utf8')) as Owner
  } catch {
    return null
  }
}
