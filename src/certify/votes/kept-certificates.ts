/** Certificates of single inputs, kept while a rule is under way, so that an interrupted run continues. */

import { createHash } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { appendFile, rm, truncate, writeFile } from 'node:fs/promises'
import { namingFile } from '../../core/system-error.ts'
import { crc32c } from '../../format/crc32c.ts'
import { nullIfMissing } from '../../format/missing.ts'
import { outputTaken } from '../../format/onnx-target.ts'
import { readRegularText } from '../../format/regular-file.ts'
import type { Ballots } from '../rules/ballot.ts'
import type { RuleOptions } from '../rules/certify-ballots.ts'
import type { InputCertificate } from '../rules/rule.ts'

/** Raise it with every change after which a rule gives other certificates for the same ballots. */
const rulesVersion = 1

/** How the first line of every version begins. A full disk may have cut it. */
const anyFirst = '{"schema":"videomae.kept-certificates/'

/** What a kill may lose: characters, and milliseconds. */
const mostWaiting = 2 ** 15
const longestWait = 1000

/** Everything that the certificates follow from. */
function keyOf(ballots: Ballots, rule: RuleOptions): string {
  const { inputs, learners, classes, places, ranks } = ballots
  const hash = createHash('sha256')
  hash.update(JSON.stringify([rulesVersion, rule, inputs, learners, classes, places]))
  const bytes = new Uint8Array(ranks.buffer, ranks.byteOffset, ranks.byteLength)
  // Copies, because hashing may not read shared memory.
  for (let at = 0; at < bytes.length; at += 2 ** 24) hash.update(bytes.slice(at, at + 2 ** 24))
  return hash.digest('hex')
}

/**
 * A file with one line for what the certificates follow from, then one for each input in order, with a checksum. A line that a
 * kill has cut or a disk has changed is dropped, with all behind it; a file of other ballots or another rule is begun anew.
 */
export class KeptCertificates {
  readonly known: readonly InputCertificate[]
  private readonly file: string
  private waiting = ''
  private input: number
  /** When a line was last written; the first is written at once. */
  private written = Number.NEGATIVE_INFINITY

  private constructor(file: string, known: readonly InputCertificate[]) {
    this.file = file
    this.known = known
    this.input = known.length
  }

  /** @throws VideoMaeError `OUTPUT_TAKEN` where a file of other origin is there */
  static async open(file: string, ballots: Ballots, rule: RuleOptions): Promise<KeptCertificates> {
    const first = `${JSON.stringify({ schema: 'videomae.kept-certificates/2', key: keyOf(ballots, rule) })}\n`
    const text = await readRegularText(file).catch(nullIfMissing)
    if (text !== null && !text.startsWith(anyFirst.slice(0, text.length)))
      throw outputTaken(file, 'certificates of an interrupted command')
    if (text === null || !text.startsWith(first)) {
      await writeFile(file, first)
      return new KeptCertificates(file, [])
    }
    const known: InputCertificate[] = []
    let length = first.length // ASCII: as many bytes
    for (const line of text.slice(first.length).split('\n').slice(0, -1)) {
      const certificate = parsed(line, known.length)
      if (certificate === null || known.length === ballots.inputs) break
      known.push(certificate)
      length += line.length + 1
    }
    await truncate(file, length)
    return new KeptCertificates(file, known)
  }

  add(certificate: InputCertificate): void {
    this.waiting += `${JSON.stringify({ certificate, crc: checksum(certificate, this.input++) })}\n`
    const now = performance.now()
    if (this.waiting.length < mostWaiting && now - this.written < longestWait) return
    appendFileSync(this.file, this.waiting)
    this.waiting = ''
    this.written = now
  }

  /** Writes what was added. Called when a run ends, however it ends. */
  async flush(): Promise<void> {
    const text = this.waiting
    this.waiting = ''
    if (text !== '') await namingFile(this.file, () => appendFile(this.file, text))
  }

  async remove(): Promise<void> {
    await rm(this.file, { force: true })
  }
}

/** Null for a line that is not what was written for this input. */
function parsed(line: string, input: number): InputCertificate | null {
  try {
    const { certificate, crc } = JSON.parse(line) as { certificate: InputCertificate; crc: number }
    return crc === checksum(certificate, input) ? certificate : null
  } catch {
    return null
  }
}

/** CRC-32C of a certificate and the number of its input. */
function checksum(certificate: InputCertificate, input: number): number {
  return crc32c(Buffer.from(JSON.stringify([input, certificate])))
}
