/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) as TFRecord files use it.
 */
const table = makeTable()

function makeTable(): Uint32Array {
  const entries = new Uint32Array(256)
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
    entries[byte] = crc
  }
  return entries
}

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8)
  return ~crc >>> 0
}

/** TFRecord stores checksums rotated and shifted, so that a checksum of data that holds checksums stays meaningful. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}
