/**
 * End to end from video files: how long the GPU idles while the loader feeds it, for 1 and 4 samples per clip.
 *
 *     npx tsx scripts/bench/gpu-idle.ts <folder of videos> [--preset base] [--batch 32] [--samples 1,4] [--steps 60]
 *         [--workers 14]
 *
 * Prints clips per second, the share of the time that the GPU had no work, and the share spent waiting for the loader.
 * Not yet run on hardware.
 */
import { parseArgs } from 'node:util'
import { invalidArgument } from '../../src/core/errors.ts'
import { openCudaSession } from '../../src/engine/cuda/index.ts'
import { buildPretrainProgram, initialize } from '../../src/model.ts'
import { openRealData } from './support/gpu-data.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    preset: { type: 'string', default: 'base' },
    resolution: { type: 'string', default: '224' },
    batch: { type: 'string', default: '32' },
    samples: { type: 'string', default: '1,4' },
    steps: { type: 'string', default: '60' },
    workers: { type: 'string' },
  },
})
const [folder] = positionals
if (folder === undefined) throw invalidArgument('folder', 'a folder of videos', folder)
const batchSize = Number(values.batch)
const steps = Number(values.steps)
const warmUp = Math.min(10, Math.floor(steps / 3))
const samples = values.samples.split(',').map(Number)
// A batch is made of whole clips with all their samples: said before the first case has run for minutes.
const unfit = samples.find((count) => !Number.isInteger(count) || count < 1 || batchSize % count !== 0)
if (unfit !== undefined) {
  const found = `--batch ${values.batch} --samples ${values.samples}`
  throw invalidArgument('batch', 'a multiple of every number of samples per clip', found)
}

for (const samplesPerClip of samples) {
  const workers = values.workers === undefined ? undefined : Number(values.workers)
  const resolution = Number(values.resolution)
  const { data, run } = openRealData({
    folder,
    preset: values.preset,
    resolution,
    batch: batchSize,
    samplesPerClip,
    workers,
  })
  const counts = { visible: run.visible, masked: run.predicted }
  const training = buildPretrainProgram({ configuration: run.model, batch: batchSize, ...counts, optimizer: {} })
  const session = openCudaSession(training.programs, { precision: 'bfloat16' })
  await session.writeState(initialize(training.parameters, 1))
  const scalars = (step: number) => ({
    learningRate: Float32Array.of(1e-4),
    weightDecay: Float32Array.of(0.05),
    step: Float32Array.of(step),
  })
  let batch = await data.next()
  let [began, busyBefore, waited] = [0, 0, 0]
  for (let step = 1; step <= steps; step++) {
    if (step === warmUp + 1) [began, busyBefore, waited] = [performance.now(), session.busyMilliseconds, 0]
    const running = session.run(training.step, { ...batch.inputs, ...scalars(step) })
    const asked = performance.now()
    const next = await data.next()
    await session.prefetch(training.step, next.inputs)
    waited += performance.now() - asked
    await running
    batch.release?.()
    batch = next
  }
  const elapsed = performance.now() - began
  const idle = 1 - (session.busyMilliseconds - busyBefore) / elapsed
  const perSecond = ((steps - warmUp) * batchSize * 1000) / elapsed
  console.log(
    `${samplesPerClip} samples per clip: ${perSecond.toFixed(1)} clips/s, GPU idle ${(100 * idle).toFixed(1)} %, ` +
      `in the loader and copying ${((100 * waited) / elapsed).toFixed(1)} % of the time`,
  )
  await session.close()
  await data.loader.close()
}
