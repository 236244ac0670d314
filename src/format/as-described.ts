/** Files that have a description with their digests next to them, as `videomae export` writes it: `NAME.json` next to `NAME.onnx`. */
import path from 'node:path'
import { z } from 'zod'
import { VideoMaeError } from '../core/errors.ts'
import { shownChecksum } from './checksum.ts'
import { fileDigest } from './file-digest.ts'
import { parseUniqueJson } from './json.ts'
import { nullIfMissing } from './missing.ts'
import { readRegularText } from './regular-file.ts'

const descriptionSchema = z.object({
  format: z.literal('videomae-onnx'),
  files: z.array(z.object({ name: z.string(), sha256: z.string() })),
})

/**
 * Refuses a model whose files are not those of its description. One without a description, or next to JSON of another kind, passes.
 *
 * @param file `NAME.onnx`
 * @returns whether a description tells the digest of `file`
 * @throws VideoMaeError `ONNX_INVALID`
 */
export async function requireAsDescribed(file: string): Promise<boolean> {
  const { dir, name } = path.parse(file)
  const description = path.join(dir, `${name}.json`)
  const text = await readRegularText(description).catch(nullIfMissing)
  const described = text === null ? null : filesIn(text)
  const digests = new Map<string, string | null>() // A description must not make the program read a file again and again.
  for (const { name: part, sha256 } of described ?? []) {
    if (part !== path.basename(part)) continue // of another folder, which nobody asked for
    const beside = path.join(dir, part)
    if (!digests.has(part)) digests.set(part, await fileDigest(beside).catch(nullIfMissing))
    const found = digests.get(part) ?? null
    if (found === null || found === sha256) continue
    throw new VideoMaeError(
      `Expected ${beside} with SHA-256 ${shownChecksum(sha256)}, as ${description} says, but it has ${found}.`,
      {
        code: 'ONNX_INVALID',
        exit: 'data',
        hint: 'One of the two files has changed since the export: export again. If you changed the model on purpose, remove the description.',
      },
    )
  }
  return digests.has(path.basename(file))
}

function filesIn(text: string) {
  try {
    return descriptionSchema.parse(parseUniqueJson(text)).files
  } catch {
    return null // No description of a model, or one that is damaged itself: it says nothing of the model then.
  }
}
