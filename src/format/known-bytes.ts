/** What a file is by its first bytes, in words: for messages about files of another kind than expected. Nothing else depends on it. */

/** Of the first bytes, each as one character. No text begins so. */
const kinds: readonly (readonly [what: string, begins: RegExp])[] = [
  ['a picture (PNG)', /^\x89PNG/],
  ['a picture (JPEG)', /^\xff\xd8\xff/],
  ['a picture (TIFF)', /^(?:II\*\0|MM\0\*)/],
  ['a PDF', /^%PDF-\d/],
  ['sound (WAV)', /^RIFF[^]{4}WAVE/],
  ['sound (FLAC)', /^fLaC\0/],
  ['sound (MP3)', /^ID3[\x02-\x04]/],
  ['a video (AVI)', /^RIFF[^]{4}AVI /],
  ['a video (MP4 or MOV)', /^\0[^]{3}ftyp/],
  ['a video (Matroska or WebM)', /^\x1aE\xdf\xa3/],
  ['a zip archive (.npz, .xlsx, .pt)', /^PK\x03\x04/],
  ['compressed (gzip)', /^\x1f\x8b/],
  ['an HDF5 file', /^\x89HDF/],
  ['a Parquet file', /^PAR1/],
  ['an Arrow or Feather file', /^ARROW1/],
  ['an Excel file', /^\xd0\xcf\x11\xe0/],
  ['a NumPy file', /^\x93NUMPY/],
  ['weights (safetensors)', /^[^]{4}\0{4}\{"/],
  ['a pickle', /^\x80[\x02-\x05]/],
]

/** @param start the first bytes of a file, 16 or more where it has them; null for what is not known */
export function kindByBytes(start: Uint8Array): string | null {
  const text = Buffer.from(start.subarray(0, 16)).toString('latin1')
  return kinds.find(([, begins]) => begins.test(text))?.[0] ?? null
}
