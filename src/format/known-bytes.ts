/** What a file is by its first bytes, in words: for messages about files of another kind than expected. Nothing else depends on it. */

/** By the first bytes in hexadecimal digits. No text begins so, but for the letters of `PAR1` and `ARROW1`. */
const kinds: readonly (readonly [what: string, begins: RegExp])[] = [
  ['a picture (PNG)', /^89504e47/],
  ['a picture (JPEG)', /^ffd8ff/],
  ['a picture (TIFF)', /^(?:49492a00|4d4d002a)/],
  ['a PDF', /^255044462d3/],
  ['sound (WAV)', /^52494646.{8}57415645/],
  ['sound (FLAC)', /^664c614300/],
  ['sound (MP3)', /^4944330[2-4]/],
  ['a video (AVI)', /^52494646.{8}41564920/],
  ['a video (MP4 or MOV)', /^00.{6}66747970/],
  ['a video (Matroska or WebM)', /^1a45dfa3/],
  ['a zip archive (.npz, .xlsx, .pt)', /^504b0304/],
  ['compressed (gzip)', /^1f8b/],
  ['an HDF5 file', /^89484446/],
  ['a Parquet file', /^50415231/],
  ['an Arrow or Feather file', /^4152524f5731/],
  ['an Excel file', /^d0cf11e0/],
  ['a NumPy file', /^934e554d5059/],
  ['weights (safetensors)', /^.{8}000000007b22/],
  ['a pickle', /^800[2-5]/],
]

/** @param start the first bytes of a file, 16 or more where it has them; null for what is not known */
export function kindByBytes(start: Uint8Array): string | null {
  const digits = Buffer.from(start.subarray(0, 16)).toString('hex')
  return kinds.find(([, begins]) => begins.test(digits))?.[0] ?? null
}
