import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describedByKey, headerChecksumKey } from '../../src/format/checksum.ts'
import { sumsFile } from '../../src/format/folder-sums.ts'

/** Makes the folder of a model one that another program, or an earlier version, could have written: nothing says which files belong together. */
export function withoutChecksums(folder: string): void {
  rmSync(path.join(folder, sumsFile))
  for (const name of readdirSync(folder).filter((each) => each.endsWith('.safetensors'))) {
    const file = path.join(folder, name)
    const bytes = readFileSync(file)
    for (const key of [describedByKey, headerChecksumKey]) {
      const at = bytes.indexOf(key)
      // Another key of the same length.
      if (at >= 0) bytes.write('other'.padEnd(key.length, '_'), at)
    }
    writeFileSync(file, bytes)
  }
}
