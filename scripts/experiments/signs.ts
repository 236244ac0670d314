/**
 * Signs of learning of the checkpoints of a run, on any videos, next to those of fresh weights. Writes CSV in the form of dev/results/.
 *
 *   npx tsx scripts/experiments/signs.ts VIDEOS... --run RUN [--videos 200] [--stride 2] [--name NAME] [--out checkpoints/signs.csv]
 *
 * --name: what the column `videos` says of them. Default: the name of the first folder or list.
 */
import path from 'node:path'
import { parseArgs } from 'node:util'
import { initialize, openCheckpoint, parameterShapes } from '../../src/model.ts'
import { chooseEngine } from '../../src/train/engine-choice.ts'
import { RunDirectory } from '../../src/train/run-directory.ts'
import { ProbeVideos, signsProgramOf } from '../../src/train/signs/probe-videos.ts'
import { listVideos } from '../../src/video.ts'
import { type ResultRow, writeResults } from '../support/results-file.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    run: { type: 'string' },
    videos: { type: 'string', default: '200' },
    stride: { type: 'string', default: '2' },
    out: { type: 'string', default: 'checkpoints/signs.csv' },
    name: { type: 'string' },
  },
})
if (values.run === undefined || positionals.length === 0) throw new Error('Expected VIDEOS... --run RUN.')
const directory = new RunDirectory(values.run)
const steps = (await directory.checkpointSteps()).toReversed()
if (steps.length === 0) throw new Error(`Expected checkpoints in ${values.run}.`)
const { configuration: model } = await openCheckpoint(directory.checkpointPath(steps[0]))
const engine = await chooseEngine(null)
const session = await engine.open([signsProgramOf(model)], {})
const entries = listVideos(positionals)
const videos = new ProbeVideos({
  ...{ entries, count: Math.min(Number(values.videos), entries.length), model },
  timing: { stride: Number(values.stride), fps: null },
})
const table: ResultRow[] = []
try {
  const encoder = new Set(parameterShapes(model, 'encoder').keys())
  for (const step of [0, ...steps]) {
    const state =
      step === 0
        ? initialize(parameterShapes(model, 'encoder'), 0)
        : (await openCheckpoint(directory.checkpointPath(step))).state
    await session.writeState(new Map([...state].filter(([name]) => encoder.has(name))))
    const signs = await videos.measure(session)
    if (signs === null) throw new Error('Expected more videos that can be read.')
    const { arrowOfTime, flowDirection, effectiveRank, videos: count } = signs
    const weights = step === 0 ? 'fresh' : path.basename(directory.checkpointPath(step))
    table.push({
      ...{ videos: `${values.name ?? path.basename(positionals[0])} (${count})`, weights },
      ...{ 'arrow of time': arrowOfTime.toFixed(3), 'direction of flow': flowDirection.toFixed(3) },
      'effective rank': effectiveRank.toFixed(1),
    })
    console.error(
      Object.entries(table[table.length - 1])
        .map(([column, cell]) => `${column} ${cell}`)
        .join(', '),
    )
  }
} finally {
  await session.close()
}
writeResults(values.out, 'scripts/experiments/signs.ts', table)
