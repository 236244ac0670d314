/**
 * Clips per second and core: 16 frames, stride 4, random multi-scale crop, 224x224, from the files of a folder.
 *
 *   npx tsx scripts/bench/decode.ts FOLDER [--python PATH] [--files 6] [--clips 6] [--no-program] [--json]
 *
 * The library's decoder, PyAV (scripts/bench/decode_pyav.py) and the plain `ffmpeg` program get the same clips in turn, so that whatever else
 * the machine does hits all alike. Everyone uses one thread, and what is counted is CPU time (per core). Ratios are medians over the clips of (their time / our time). Groups are codec and
 * size, `--files` files of each, `--clips` clips of each file.
 */
import { parseArgs } from 'node:util'
import { RandomStream } from '../../src/model.ts'
import {
  type ClipRequest,
  type ClipResult,
  clipBytes,
  createDecoder,
  listVideos,
  readClip,
  type VideoEntry,
} from '../../src/video.ts'
import { type Rival, startProgram, startPyav } from './support/decode-rivals.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    files: { type: 'string', default: '6' },
    clips: { type: 'string', default: '6' },
    'no-program': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})
const folder = positionals[0]
if (folder === undefined) {
  process.stderr.write('usage: decode FOLDER [--python PATH] [--files 6] [--clips 6] [--no-program] [--json]\n')
  process.exit(2)
}

const size = 224
const stride = 4
const decoder = await createDecoder('node-av')
const pyav = [await startPyav(values.python, 'reformat'), await startPyav(values.python, 'filters')]
const program = values['no-program'] ? undefined : startProgram()
const rivals: Rival[] = [...pyav, program].filter((rival) => rival !== undefined)

interface Clip {
  readonly ours: number
  readonly decoded: number
  readonly used: number
  readonly theirs: readonly (number | undefined)[]
}

const request = (entry: VideoEntry, key: number): ClipRequest => ({
  entry,
  sampling: { kind: 'strided', frames: 16, stride },
  crops: [{ kind: 'multi-scale' }],
  output: { width: size, height: size },
  key: [key],
})
const out = new Uint8Array(clipBytes(request({ path: '', id: '' }, 0)))

async function timed(entry: VideoEntry, key: number): Promise<{ seconds: number; result: ClipResult }> {
  const began = process.cpuUsage()
  const result = await readClip(decoder, request(entry, key), out)
  const { user, system } = process.cpuUsage(began)
  return { seconds: (user + system) / 1e6, result }
}

const groups = new Map<string, { files: number; clips: Clip[] }>()
const entries = listVideos(folder)
for (const at of new RandomStream('bench').permutation(entries.length)) {
  const entry = entries[at]
  // The first reading brings the file into the page cache and says what it is.
  const first = await timed(entry, 0).catch(() => undefined)
  // Too short for a clip, or turned (the rivals here do not turn): not compared.
  if (first === undefined || first.result.frameCount <= 16 * stride || first.result.info.rotation !== 0) continue
  const { codec, width, height } = first.result.info
  const name = `${codec} ${width}x${height}`
  const group = groups.get(name) ?? { files: 0, clips: [] }
  if (group.files >= Number(values.files)) continue
  groups.set(name, { files: group.files + 1, clips: group.clips })
  for (let key = 1; key <= Number(values.clips); key++) {
    const { result } = await timed(entry, key)
    const { frames, startSeconds, geometry } = result.views[0]
    const task = { path: entry.path, frames, stride, startSeconds, box: geometry.crop, size }
    const theirs: (number | undefined)[] = []
    for (const rival of rivals) theirs.push((await rival.clip(task))?.seconds)
    // Ours last, measured again: none gets the warmer caches.
    const { seconds } = await timed(entry, key)
    group.clips.push({ ours: seconds, decoded: result.decoded, used: result.used, theirs })
  }
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const ratioTo = (clips: readonly Clip[], r: number): number =>
  median(clips.flatMap(({ ours, theirs }) => (theirs[r] === undefined ? [] : [theirs[r] / ours])))

function summarize(name: string, files: number, clips: readonly Clip[]) {
  const seconds = clips.reduce((sum, { ours }) => sum + ours, 0)
  const decoded = clips.reduce((sum, clip) => sum + clip.decoded, 0)
  const used = clips.reduce((sum, clip) => sum + clip.used, 0)
  return {
    name,
    files,
    clips: clips.length,
    clipsPerSecond: clips.length / seconds,
    framesPerSecond: decoded / seconds,
    thrownAway: 1 - used / decoded,
    ratios: Object.fromEntries(rivals.map((rival, r) => [rival.name, ratioTo(clips, r)])),
  }
}

const all = [...groups.values()]
const rows = [...groups]
  .map(([name, { files, clips }]) => summarize(name, files, clips))
  .sort((a, b) => b.clips - a.clips)
const total = summarize(
  'all',
  all.reduce((sum, { files }) => sum + files, 0),
  all.flatMap(({ clips }) => clips),
)
const memory = {
  ours: process.memoryUsage.rss() / 2 ** 20,
  ...Object.fromEntries(rivals.map((r) => [r.name, r.memoryMiB()])),
}

if (values.json) process.stdout.write(`${JSON.stringify({ decoder: decoder.describe(), rows, total, memory })}\n`)
else {
  process.stdout.write(`${decoder.describe()}, 16 frames, stride ${stride}, ${size}x${size}, one core\n`)
  process.stdout.write(
    `${'codec and size'.padEnd(24)} ${'files'.padStart(5)} ${'clips'.padStart(5)} ${'clips/s'.padStart(8)} ${'frames/s'.padStart(9)} ${'unused'.padStart(7)}` +
      `${rivals.map(({ name }) => `  x ${name}`).join('')}\n`,
  )
  for (const row of [...rows, total]) {
    const ratios = rivals.map(({ name }) => row.ratios[name].toFixed(2).padStart(name.length + 4)).join('')
    process.stdout.write(
      `${row.name.padEnd(24)} ${String(row.files).padStart(5)} ${String(row.clips).padStart(5)} ${row.clipsPerSecond.toFixed(1).padStart(8)} ` +
        `${row.framesPerSecond.toFixed(0).padStart(9)} ${`${(100 * row.thrownAway).toFixed(0)} %`.padStart(7)}${ratios}\n`,
    )
  }
  const shown = Object.entries(memory).flatMap(([name, mib]) =>
    mib === undefined ? [] : [`${name} ${mib.toFixed(0)} MiB`],
  )
  process.stdout.write(`peak memory: ${shown.join(', ')}\n`)
}
for (const rival of rivals) rival.close()
