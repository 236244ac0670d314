/**
 * Runs every file of a folder of difficult videos through the decoding processes, many times over, and besides what a stranger could send instead of a
 * video (torture/hostile-files.ts), made from the first MP4 file of the folder that decodes.
 *
 *   npx tsx scripts/torture.ts DIR [--rounds 20] [--decoder node-av|ffmpeg] [--timeout 30]
 *
 * Passes when every file yields frames or one clear line that names it, nothing crashes a process or runs into the timeout, all rounds give the
 * same bytes, memory stays flat over the rounds, the frames agree with MANIFEST.csv where there is one, and hostile files end with their code. Ends with exit code 6 otherwise.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { exitCodes } from '../src/index.ts'
import { DecodePool } from '../src/video/pool.ts'
import { escapedText } from '../src/video/video-errors.ts'
import type { ClipRequest, DecoderName } from '../src/video.ts'
import { type HostileFile, writeHostileFiles } from './support/torture/hostile-files.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '20' },
    decoder: { type: 'string', default: 'node-av' },
    timeout: { type: 'string', default: '30' },
  },
})
const folder = positionals[0]
if (folder === undefined || (values.decoder !== 'node-av' && values.decoder !== 'ffmpeg')) {
  process.stderr.write('usage: torture DIR [--rounds 20] [--decoder node-av|ffmpeg] [--timeout 30]\n')
  process.exit(exitCodes.usage)
}
const rounds = Number(values.rounds)
const decoder: DecoderName = values.decoder

/** Growth of a decoding process, in MiB from the first quarter of the rounds to the last, that counts as a leak. */
const leakMiB = 24

interface Expected {
  readonly file: string
  /** Frames another FFmpeg decoded; undefined where it is not said. */
  readonly frames: number | undefined
  readonly size: string
}

const inFolder = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/^(MANIFEST\.csv|README.*|.*\.md)$/.test(entry.name))
  .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
  .sort()
const expected = new Map(readExpected(path.join(folder, 'MANIFEST.csv')).map((line) => [line.file, line]))
const failures: string[] = []
const fail = (message: string): void => {
  failures.push(message)
  process.stdout.write(`  FAIL ${message}\n`)
}

// One process, so that its memory is that of one decoder over all files and rounds.
const pool = new DecodePool({
  decoder,
  limits: {},
  workers: 1,
  timeoutSeconds: Number(values.timeout),
  slotBytes: 2 * 16 * 112 * 112 * 3,
})
const request = (file: string, round: number): ClipRequest => ({
  entry: { path: file, id: file },
  sampling: { kind: 'strided', frames: 16, stride: 4 },
  crops: [{ kind: 'multi-scale' }, { kind: 'random-resized', flip: 0.5 }],
  output: { width: 112, height: 112 },
  key: [0, round % 2, 0],
})

const hostileFolder = mkdtempSync(path.join(tmpdir(), 'videomae-torture-'))
const hostile = new Map<string, HostileFile>()
for (const file of inFolder.filter((name) => name.endsWith('.mp4') && !path.basename(name).startsWith('bad_'))) {
  const source = path.join(folder, file)
  if (!(await pool.read(request(source, 0))).ok) continue
  for (const found of writeHostileFiles(hostileFolder, source)) hostile.set(path.join(hostileFolder, found.file), found)
  break
}
const files = [...inFolder.map((file) => path.join(folder, file)), ...hostile.keys()]

const memory: number[] = []
const digests = new Map<string, string>()
const began = performance.now()
for (let round = 0; round < rounds; round++) {
  for (const file of files) {
    const started = performance.now()
    const outcome = await pool.read(request(file, round))
    const line = outcome.ok
      ? describe(outcome.result, outcome.clips)
      : `${outcome.failure.code}: ${outcome.failure.reason}`
    const seconds = ((performance.now() - started) / 1000).toFixed(2)
    if (round === 0) process.stdout.write(`${escapedText(file)}  ${line}  (${seconds} s)\n`)
    const key = `${round % 2} ${file}`
    const before = digests.get(key)
    if (before === undefined) digests.set(key, line)
    else if (before !== line) fail(`round ${round}: ${file} gave ${line}, before ${before}`)
    if (round === 0) compare(path.relative(folder, file), outcome.ok ? outcome.result : undefined)
    const code = hostile.get(file)?.code
    if (code !== undefined && code !== (outcome.ok ? null : outcome.failure.code))
      fail(`round ${round}: ${escapedText(file)} should end with ${code ?? 'frames'}`)
    if (!outcome.ok) {
      const { code, reason } = outcome.failure
      if (/CRASHED|TIMEOUT/.test(code)) fail(`round ${round}: ${reason}`)
      if (!reason.includes(escapedText(file)) || reason.includes('\n'))
        fail(`${file}: expected one line that names the file but got ${reason}`)
    }
  }
  memory.push(residentMiB(pool.processIds()[0]))
}
const minutes = (performance.now() - began) / 60_000
await pool.close()
rmSync(hostileFolder, { recursive: true })

if (pool.restarts > 0) fail(`${pool.restarts} decoding processes had to be replaced`)
const quarter = Math.max(1, Math.floor(rounds / 4))
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
// The first round loads codecs and grows pools once.
const early = mean(memory.slice(1, 1 + quarter))
const late = mean(memory.slice(-quarter))
if (rounds >= 8 && late - early > leakMiB)
  fail(`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MiB over ${rounds} rounds`)
process.stdout.write(
  `\n${files.length} files, ${rounds} rounds, ${minutes.toFixed(1)} min, decoder ${decoder}\n` +
    `memory of the decoding process after each round, MiB: ${memory.map((m) => m.toFixed(0)).join(' ')}\n` +
    `${failures.length === 0 ? 'passed' : `${failures.length} failures`}\n`,
)
process.exitCode = failures.length === 0 ? exitCodes.success : exitCodes.checkFailed

interface Outcome {
  readonly frameCount: number
  readonly info: { readonly width: number; readonly height: number; readonly rotation: number }
}

function describe(result: Outcome, clips: Uint8Array): string {
  const digest = createHash('sha256').update(clips).digest('hex').slice(0, 12)
  return `${result.frameCount} frames ${result.info.width}x${result.info.height} ${digest}`
}

/** `ok_*` and all others must decode as the manifest says; `bad_*` may yield what is there. */
function compare(file: string, result: Outcome | undefined): void {
  const line = expected.get(file)
  if (line === undefined) return
  const damaged = path.basename(file).startsWith('bad_')
  if (line.frames === undefined || line.frames === 0) {
    if (result !== undefined && !damaged) fail(`${file}: expected no frames but found ${result.frameCount}`)
    return
  }
  if (result === undefined) {
    if (!damaged) fail(`${file}: expected ${line.frames} frames but got none`)
    return
  }
  const coded =
    result.info.rotation % 180 === 0 ? result.info : { width: result.info.height, height: result.info.width }
  if (`${coded.width}x${coded.height}` !== line.size) {
    process.stdout.write(`  note ${file}: another stream than in the manifest (${line.size})\n`)
    return
  }
  // A damaged file's container may list frames that do not decode; they are noticed when a clip needs them.
  const fits = damaged ? result.frameCount >= line.frames : result.frameCount === line.frames
  if (!fits) fail(`${file}: expected ${line.frames} frames but found ${result.frameCount}`)
}

function readExpected(manifest: string): Expected[] {
  if (!existsSync(manifest)) return []
  const [header, ...lines] = readFileSync(manifest, 'utf8').trim().split(/\r?\n/).map(splitCsv)
  const at = (name: string): number => header.indexOf(name)
  return lines.map((fields) => {
    const frames = fields[at('frames_decoded_by_ffmpeg5')]
    return { file: fields[at('file')], frames: frames === '' ? undefined : Number(frames), size: fields[at('size')] }
  })
}

function splitCsv(line: string): string[] {
  return [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map((m) => m[1]?.replaceAll('""', '"') ?? m[2])
}

function residentMiB(id: number | undefined): number {
  const status = `/proc/${id}/status`
  if (id === undefined || !existsSync(status)) return 0
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) / 1024
}
