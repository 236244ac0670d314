/** What an earlier download into a folder has recorded: for weights without a known digest, the first digest is the one to compare with. */
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { jsonOrNull } from '../format/json.ts'
import { nullIfMissing } from '../format/missing.ts'
import { readRegularText } from '../format/regular-file.ts'
import type { HubRepository } from './repository.ts'

const recordSchema = z.object({
  repository: z.string(),
  commit: z.string(),
  files: z.array(z.object({ name: z.string(), digest: z.string() })),
})

/**
 * A file that was downloaded into this folder before must not have become another, also where it was removed meanwhile.
 *
 * @param record `download.json` of the folder
 * @param files what the hub names now
 * @throws VideoMaeError `DOWNLOAD_DIFFERS`, before anything is downloaded
 */
export async function requireAsBefore(
  record: string,
  { reference, commit }: Pick<HubRepository, 'reference' | 'commit'>,
  files: readonly { readonly name: string; readonly etag: string }[],
): Promise<void> {
  const text = await readRegularText(record).catch(nullIfMissing)
  const before = text === null ? undefined : recordSchema.safeParse(jsonOrNull(text)).data
  if (before?.repository !== reference.repository) return
  for (const { name, digest } of before.files) {
    const now = files.find((file) => file.name === name)
    if (now === undefined || now.etag === digest) continue
    throw new VideoMaeError(
      `Expected ${name} with the digest ${digest}, as ${record} records it (commit ${before.commit}), but commit ${commit} of ${reference.repository} has ${now.etag}.`,
      {
        code: 'DOWNLOAD_DIFFERS',
        exit: 'data',
        hint: `The publisher changed it. Name the earlier commit (${reference.repository}@${before.commit}), or choose another folder for the new file. Nothing was downloaded.`,
      },
    )
  }
}
