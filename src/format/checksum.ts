/** Checksums that files carry in their own metadata. */

/** Key of the metadata with the SHA-256: 64 hexadecimal digits. docs/formats.md says of which bytes. */
export const checksumKey = 'videomae.sha256'

/** Key of the metadata of safetensors with the SHA-256 of the header: names, types, shapes and offsets of tensors, and the metadata. */
export const headerChecksumKey = 'videomae.header_sha256'

/** Key of the metadata of weights with the names of the files next to them that say what they compute, with a space between two. */
export const describedByKey = 'videomae.described_by'

/** Digits in the place of a checksum while it is taken. */
export const noChecksum = '0'.repeat(64)

/** Metadata that keep room for the checksum; the writers of safetensors and of ONNX files put it in. */
export const withChecksum: Readonly<Record<string, string>> = { [checksumKey]: noChecksum }

/** A checksum from a file, for messages: one that is none may be of any length and hold line breaks. */
export function shownChecksum(checksum: string): string {
  return /^[0-9a-f]{64}$/.test(checksum) ? checksum : JSON.stringify(checksum.slice(0, noChecksum.length))
}
