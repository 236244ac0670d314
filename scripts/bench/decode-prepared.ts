/**
 * What `videomae prepare` brings: clips per second and core from originals and from prepared files, next to PyAV on both; and what it does to the pictures.
 *
 *   npx tsx scripts/bench/decode-prepared.ts ORIGINALS PREPARED [--python PATH] [--files 20] [--clips 4] [--json]
 *
 * 16 frames at stride 4, a random multi-scale crop, 224x224, the same frames and relative boxes for all. Everyone uses one thread and gets the same clip in turn;
 * what is counted is CPU time. PSNR and SSIM compare whole frames of both files, scaled to 224x224 as test views are.
 */
import { statSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { RandomStream } from '../../src/model.ts'
import { type ClipRequest, clipBytes, createDecoder, listVideos, readClip } from '../../src/video.ts'
import { startPyav } from './support/decode-rivals.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: 'python3' },
    files: { type: 'string', default: '20' },
    clips: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
})
const [originals, prepared] = positionals
if (originals === undefined || prepared === undefined) {
  process.stderr.write('usage: decode-prepared ORIGINALS PREPARED [--python PATH] [--files 20] [--clips 4] [--json]\n')
  process.exit(2)
}

const [size, stride, frames] = [224, 4, 16]
const decoder = await createDecoder('node-av')
const rivals = [await startPyav(values.python, 'reformat'), await startPyav(values.python, 'filters')].filter(
  (rival) => rival !== undefined,
)
const request = (path: string, key: number, whole = false): ClipRequest => ({
  entry: { path, id: path },
  sampling: whole ? { kind: 'spread', frames } : { kind: 'strided', frames, stride },
  crops: [{ kind: whole ? 'whole' : 'multi-scale' }],
  output: { width: size, height: size },
  key: [key],
})
const out = new Uint8Array(clipBytes(request('', 0)))
const before = new Uint8Array(out.byteLength)

async function timed(path: string, key: number) {
  const began = process.cpuUsage()
  const result = await readClip(decoder, request(path, key), out)
  const { user, system } = process.cpuUsage(began)
  return { seconds: (user + system) / 1e6, result }
}

/** By name: seconds of every clip. */
const seconds = new Map<string, number[]>()
const note = (name: string, value: number | undefined): void => {
  if (value !== undefined) seconds.set(name, [...(seconds.get(name) ?? []), value])
}
const quality: { psnr: number; ssim: number }[] = []
const bytes = { originals: 0, prepared: 0 }
const pairs = new Map(listVideos(prepared).map(({ id, path }) => [id, path]))
const entries = listVideos(originals)
let files = 0
for (const at of new RandomStream('bench').permutation(entries.length)) {
  if (files >= Number(values.files)) break
  const { path, id } = entries[at]
  const other = pairs.get(id)
  if (other === undefined) continue
  // The first reading brings the files into the page cache. The rivals do not turn pictures.
  const first = await timed(path, 0).catch(() => undefined)
  if (first === undefined || first.result.frameCount <= frames * stride || first.result.info.rotation !== 0) continue
  files++
  bytes.originals += statSync(path).size
  bytes.prepared += statSync(other).size
  await readClip(decoder, request(path, 0, true), before)
  await readClip(decoder, request(other, 0, true), out)
  quality.push(compare(before, out))
  for (let key = 1; key <= Number(values.clips); key++) {
    for (const [what, location] of [
      ['originals', path],
      ['prepared', other],
    ] as const) {
      const { result } = await timed(location, key)
      const { frames: indices, startSeconds, geometry } = result.views[0]
      const task = { path: location, frames: indices, stride, startSeconds, box: geometry.crop, size }
      for (const rival of rivals) note(`${rival.name}, ${what}`, (await rival.clip(task))?.seconds)
      note(`videomae, ${what}`, (await timed(location, key)).seconds)
    }
  }
}
for (const rival of rivals) rival.close()

/** Over blocks of 8x8 samples of the green channel for SSIM; over all samples for PSNR. */
function compare(a: Uint8Array, b: Uint8Array): { psnr: number; ssim: number } {
  let squares = 0
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2
  const side = 8
  let [ssim, blocks] = [0, 0]
  for (let frame = 0; frame < frames; frame++)
    for (let y = 0; y + side <= size; y += side)
      for (let x = 0; x + side <= size; x += side) {
        const sums = { a: 0, b: 0, aa: 0, bb: 0, ab: 0 }
        for (let dy = 0; dy < side; dy++)
          for (let dx = 0; dx < side; dx++) {
            const i = ((frame * size + y + dy) * size + x + dx) * 3 + 1
            sums.a += a[i]
            sums.b += b[i]
            sums.aa += a[i] * a[i]
            sums.bb += b[i] * b[i]
            sums.ab += a[i] * b[i]
          }
        const n = side * side
        const [ma, mb] = [sums.a / n, sums.b / n]
        const [va, vb, cov] = [sums.aa / n - ma * ma, sums.bb / n - mb * mb, sums.ab / n - ma * mb]
        const [c1, c2] = [(0.01 * 255) ** 2, (0.03 * 255) ** 2]
        ssim += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
        blocks++
      }
  return { psnr: 10 * Math.log10(255 ** 2 / (squares / a.length)), ssim: ssim / blocks }
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
const rows = [...seconds].map(([name, list]) => ({
  name,
  clipsPerSecond: list.length / list.reduce((sum, value) => sum + value, 0),
  /** Median over the clips of its time by that of the prepared file. */
  ratio: median(list.map((value, i) => value / (seconds.get('videomae, prepared')?.[i] ?? Number.NaN))),
}))
const [psnr, ssim] = [median(quality.map((one) => one.psnr)), median(quality.map((one) => one.ssim))]
const summary = { files, bytes, psnr, ssim, rows }
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
else {
  process.stdout.write(`${files} files, ${frames} frames, stride ${stride}, ${size}x${size}, one core\n`)
  for (const { name, clipsPerSecond, ratio } of rows)
    process.stdout.write(
      `${name.padEnd(30)} ${clipsPerSecond.toFixed(1).padStart(7)} clips/s  time ${ratio.toFixed(2)}\n`,
    )
  process.stdout.write(
    `bytes ${(bytes.prepared / bytes.originals).toFixed(2)} times, PSNR ${psnr.toFixed(1)} dB, SSIM ${ssim.toFixed(3)} (medians)\n`,
  )
}
