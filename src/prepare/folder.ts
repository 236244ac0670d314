/** The folder of prepared videos: what it was made with, and that it is one. */
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { writeFileAtomic } from '../format/atomic.ts'
import { jsonOrNull } from '../format/json.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import type { EncodeRequest } from '../video/encode-video.ts'
import { preparedFile } from '../video/prepared-folder.ts'

const settingsSchema = z.strictObject({
  /** Shorter side in pixels; smaller pictures keep theirs. */
  size: z.int().min(16),
  /** Frames of a group of pictures. */
  group: z.int().min(1),
  /** Constant rate factor of x264. */
  quality: z.number().min(0).max(51),
  /** Frames per second; null: frames and times of the sources. */
  fps: z.number().positive().nullable(),
})

/** What decides the bytes of prepared videos. */
export type PrepareSettings = z.output<typeof settingsSchema>

/** What a request to encode says of them. */
export function encodingOf({ fps, ...settings }: PrepareSettings): Pick<EncodeRequest, 'settings' | 'fps'> {
  return fps === null ? { settings } : { settings, fps }
}

const folderSchema = z.strictObject({ schema: z.literal('videomae.prepared/1'), settings: settingsSchema })

/**
 * The settings of a folder of prepared videos; null where it is missing or empty.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN` where something else is there
 */
export async function settingsOf(folder: string): Promise<PrepareSettings | null> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOTDIR') throw taken(folder, 'a file is there')
    return nullIfMissing(error)
  })
  if (names === null) return null
  const text = await readRegularText(path.join(folder, preparedFile)).catch(nullIfMissing)
  // What a kill left of the first write of that file is nobody else's.
  const others = names.filter((name) => !name.startsWith(`.${preparedFile}.new-`))
  if (text === null) {
    if (others.length === 0) return null
    throw taken(folder, `it has other files (${others.sort()[0]}) and no ${preparedFile}`)
  }
  const found = folderSchema.safeParse(jsonOrNull(text))
  if (found.success) return found.data.settings
  throw taken(folder, `its ${preparedFile} is not one of this version`)
}

/**
 * Makes the folder, or continues in one that was made with the same settings.
 *
 * @throws VideoMaeError `OUTPUT_TAKEN`, `PREPARE_SETTINGS`
 */
export async function claimFolder(folder: string, settings: PrepareSettings): Promise<void> {
  requireSame(folder, await settingsOf(folder), settings)
  makeFolder(path.join(folder, 'videos'))
  const content = { schema: 'videomae.prepared/1', settings }
  await writeFileAtomic(path.join(folder, preparedFile), `${JSON.stringify(content)}\n`)
}

/** @throws VideoMaeError `PREPARE_SETTINGS` */
export function requireSame(folder: string, before: PrepareSettings | null, settings: PrepareSettings): void {
  if (before === null) return
  const changed = (Object.keys(settings) as (keyof PrepareSettings)[]).filter((key) => before[key] !== settings[key])
  if (changed.length === 0) return
  const said = (values: PrepareSettings): string =>
    changed.map((key) => `--${key} ${values[key] ?? 'not given'}`).join(', ')
  throw new VideoMaeError(
    `Expected the settings that ${folder} was prepared with (${said(before)}), but received ${said(settings)}.`,
    {
      code: 'PREPARE_SETTINGS',
      exit: 'usage',
      hint: 'Give the same settings to continue, or choose another folder.',
    },
  )
}

function taken(folder: string, why: string): VideoMaeError {
  return new VideoMaeError(`Expected no folder at ${folder}, or one that \`prepare\` made, but ${why}.`, {
    code: 'OUTPUT_TAKEN',
    exit: 'usage',
    hint: 'Choose another folder, or move its content away. Nothing was changed.',
  })
}
