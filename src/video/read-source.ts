/** What reading one source gives, whatever kind of source it is. */
import { VideoMaeError } from '../core/errors.ts'
import type { SourceReading } from './reading.ts'
import type { VideoEntry } from './types.ts'

export interface ReadSource {
  readonly entries: readonly VideoEntry[]
  readonly reading: SourceReading
}

/** A reading of which there is nothing to say. */
export const nothing = {
  format: null,
  encoding: null,
  sha256: null,
  columns: [],
  unused: [],
  lines: null,
  unusable: [],
  repeated: [],
  warnings: [],
  remarks: [],
}

export function unreadableSource(source: string, reason: string): VideoMaeError {
  return new VideoMaeError(`Expected a folder, list or video at ${source}, but it cannot be read (${reason}).`, {
    code: 'VIDEO_SOURCE_UNREADABLE',
    exit: 'data',
    hint: 'Check the permissions of the file and of its parent folders, and the targets of links.',
  })
}
