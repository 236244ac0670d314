/**
 * Runs once before all tests: their temporary files lie in one folder, which goes when they end, also those of workers that are
 * stopped. Tests that import ONNX Runtime by itself do not start its telemetry.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'

export default function setup(): () => void {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-tests-'))
  chmodSync(folder, 0o1777) // as the folder of the system: some tests become another user
  Object.assign(process.env, { TMPDIR: folder, TMP: folder, TEMP: folder, ORT_DISABLE_TELEMETRY: '1' })
  return () => rmSync(folder, { recursive: true, force: true })
}
