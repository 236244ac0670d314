/** What `prepare` leaves in its folder and reads again: settings, records of what is done, the list. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { VideoMaeError } from '../../../src/index.ts'
import { settingsOf } from '../../../src/prepare/folder.ts'
import { isDone, lineOfRecord, type PreparedRecord, readPreparedRecords } from '../../../src/prepare/records.ts'
import { readVideos } from '../../../src/video.ts'
import { type Format, mutateDocument, mutateLines, mutateTextBytes, single } from './format.ts'

const names = ['a', 'b']
const settings = { size: 256, group: 8, quality: 20, fps: null }
const file = { sha256: '0'.repeat(64), bytes: 4, frames: 3, width: 32, height: 32 }
const record = (name: string): PreparedRecord => ({
  path: `videos/${name}.mp4`,
  ...file,
  original: { path: `${name}.avi`, ...file, state: '1-2-3' },
  encoder: 'node-av',
  turn: 0,
})

const prepared = (location: string): void =>
  writeFileSync(path.join(location, 'prepare.json'), JSON.stringify({ schema: 'videomae.prepared/1', settings }))

export const prepareFormats: readonly Format[] = [
  single(
    'settings of prepared videos',
    'prepared/prepare.json',
    (location) => prepared(path.dirname(location)),
    mutateDocument,
    (location) => settingsOf(path.dirname(location)),
  ),
  single(
    'records of prepared videos',
    'recorded/records/1-of-1/done.jsonl',
    (location) => writeFileSync(location, names.map((name) => `${lineOfRecord(record(name))}\n`).join('')),
    mutateLines,
    async (location) => {
      const folder = path.resolve(location, '../../..')
      const records = await readPreparedRecords(folder)
      // Only names that the source gives are looked for; their files are not there, so none of them is done.
      for (const name of names) {
        const found = records.get(`videos/${name}.mp4`)
        if ((await isDone(folder, path.join(folder, 'absent'), found)).done) throw new Error(`${name} counts as done`)
        // Their digests go into the list: a record that is read is the one that was written.
        if (found !== undefined && !isDeepStrictEqual(found, record(name))) throw new Error(`${name} was changed`)
      }
      if (records.size < 2) throw new VideoMaeError('Noticed: fewer records.', { code: 'NOTICED', exit: 'data' })
    },
  ),
  single(
    'list of prepared videos',
    'listed/videos.csv',
    (location) => {
      const folder = path.dirname(location)
      mkdirSync(path.join(folder, 'videos'))
      prepared(folder)
      const rows = names.map((name) => {
        writeFileSync(path.join(folder, `videos/${name}.mp4`), name)
        return `videos/${name}.mp4,${name}.avi,walk,train,${name}.avi,${'0'.repeat(64)}`
      })
      writeFileSync(location, `path,id,label,split,original,original_sha256\n${rows.join('\n')}\n`)
    },
    mutateTextBytes,
    (location) => readVideos(path.dirname(location)),
  ),
]
