// One side of scripts/bench/loader.ts, in a process of its own: prints what it measured as one line of JSON.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

export interface LoaderCase {
  /** Checkout whose loader runs. */
  readonly root: string
  /** `loader`: whole batches from decoding processes; `alone`: the same clips one after another in this process. */
  readonly kind: 'loader' | 'alone'
  readonly folder: string
  readonly size: number
  readonly frames: number
  readonly stride: number
  readonly batch: number
  readonly samples: number
  readonly workers: number
  readonly seconds: number
}

export interface LoaderFigures {
  readonly clipsPerSecond: number
  /** Milliseconds from the start of the loader to its first batch; null alone. */
  readonly firstBatch: number | null
  /** CPU microseconds of the main process for each clip. */
  readonly mainCpu: number
  /** CPU microseconds of all processes for each clip; null where the system does not tell. */
  readonly allCpu: number | null
  /** Largest resident memory of the main process and of all, MiB; null where the system does not tell. Shared memory counts for each. */
  readonly mainMemory: number
  readonly allMemory: number | null
}

const { root, kind, folder, size, frames, stride, batch, samples, workers, seconds } = JSON.parse(
  process.argv[2],
) as LoaderCase
type Video = typeof import('../../../src/video.ts')
// The program of another checkout, seen through the types of this one.
// Older checkouts list these names in the folder.
const entry = ['src/video.ts', 'src/video/index.ts'].map((file) => path.join(root, file)).find(existsSync)
if (entry === undefined) throw new Error(`Expected a checkout of this program at ${root}.`)
const video = (await import(pathToFileURL(entry).href)) as Video
const entries = video.listVideos(folder)
const sampling = { kind: 'strided', frames, stride } as const

/** CPU microseconds and peak MiB of other processes, from /proc. */
function others(pids: readonly number[]): { cpu: number; memory: number } | null {
  try {
    const each = pids.map((pid) => {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [user, system] = stat
        .slice(stat.lastIndexOf(')') + 2)
        .split(' ')
        .slice(11, 13)
        .map(Number)
      const peak = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
      return { cpu: (user + system) * 1e4, memory: peak / 1024 } // 100 ticks a second
    })
    return each.reduce((sum, one) => ({ cpu: sum.cpu + one.cpu, memory: sum.memory + one.memory }), {
      cpu: 0,
      memory: 0,
    })
  } catch {
    return null
  }
}

const mainPeak = (): number => process.resourceUsage().maxRSS / 1024
const microseconds = (since: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since)
  return user + system
}

async function loader(): Promise<LoaderFigures> {
  const began = performance.now()
  const running = video.createLoader({
    entries,
    sampling,
    size,
    samplesPerClip: samples,
    batchSize: batch,
    seed: 0,
    workers,
  })
  let firstBatch = 0
  let [warm, clips] = [0, 0]
  let from = { time: 0, main: process.cpuUsage(), all: null as number | null }
  for await (const loaded of running.batches()) {
    loaded.release?.() // an earlier loader had nothing to give back
    if (firstBatch === 0) firstBatch = performance.now() - began
    // The first batches take new memory, which costs once.
    if (warm++ < 5) {
      from = { time: performance.now(), main: process.cpuUsage(), all: others(running.processIds())?.cpu ?? null }
      continue
    }
    clips += batch
    if (performance.now() - from.time > seconds * 1000) break
  }
  const elapsed = (performance.now() - from.time) / 1000
  const main = microseconds(from.main)
  const theirs = others(running.processIds())
  const mainMemory = mainPeak()
  await running.close()
  const known = theirs !== null && from.all !== null
  return {
    clipsPerSecond: clips / elapsed,
    firstBatch,
    mainCpu: main / clips,
    allCpu: known ? (main + theirs.cpu - from.all!) / clips : null,
    mainMemory,
    allMemory: theirs === null ? null : mainMemory + theirs.memory,
  }
}

async function alone(): Promise<LoaderFigures> {
  const decoder = await video.createDecoder()
  const request = {
    sampling,
    crops: Array.from({ length: samples }, () => ({ kind: 'multi-scale' as const })),
    output: { width: size, height: size },
  }
  const out = new Uint8Array(video.clipBytes(request))
  await video.readClip(decoder, { ...request, entry: entries[0], key: ['warm'] }, out)
  const [time, cpu] = [performance.now(), process.cpuUsage()]
  let clips = 0
  for (let i = 0; performance.now() - time < seconds * 1000; i++) {
    // A file that cannot be read costs its time here as there.
    const read = await video
      .readClip(decoder, { ...request, entry: entries[i % entries.length], key: [0, i] }, out)
      .catch(() => null)
    if (read !== null) clips += samples
  }
  const main = microseconds(cpu) / clips
  const elapsed = (performance.now() - time) / 1000
  return {
    clipsPerSecond: clips / elapsed,
    firstBatch: null,
    mainCpu: main,
    allCpu: main,
    mainMemory: mainPeak(),
    allMemory: mainPeak(),
  }
}

process.stdout.write(`${JSON.stringify(await (kind === 'loader' ? loader() : alone()))}\n`)
