/** A folder for the tests of one file or one `describe`. */
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'

/**
 * Makes a folder, and removes it after the tests of the file or of the `describe` that it is called in.
 *
 * @param prefix how its name begins, which says whose it is
 */
export function folderForTests(prefix: string): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), prefix))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
