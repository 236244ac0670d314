/**
 * The measured process of scripts/bench/train-step.ts: answers each line `{"steps": n}` with wall and CPU milliseconds
 * per step and the peak resident memory in MiB. Arguments: case, dual (0 or 1), threads, engine, precision, device.
 */
import { createInterface } from 'node:readline'
import { RandomStream } from '../../src/core/random.ts'
import { engineNamed } from '../../src/engine/index.ts'
import { buildPretrainProgram, clipShape, initialise, parameterShapes } from '../../src/model/index.ts'
import { stepTokens, trainStepCases } from './train-step-cases.ts'

const [name, dual, threads, engine, precision, device] = process.argv.slice(2)
const { configuration, batch } = trainStepCases[name]
const { total, visible, predicted } = stepTokens(configuration, dual === '1')
const masking = dual === '1' ? { decoded: predicted } : { masked: predicted }
const { programs } = buildPretrainProgram({ configuration, batch, visible, ...masking, optimiser: {} })

const random = new RandomStream(1, 'train-step')
const inputs: Record<string, Float32Array | Int32Array | Uint8Array> = {
  frames: new Uint8Array(clipShape(configuration, batch).reduce((a, b) => a * b)),
  visible: new Int32Array(batch * visible),
  masked: new Int32Array(batch * predicted),
  learningRate: Float32Array.of(1e-4),
  weightDecay: Float32Array.of(0.05),
}
if (dual === '1') inputs.weight = new Float32Array(batch * predicted).fill(1)
for (let i = 0; i < inputs.frames.length; i++) inputs.frames[i] = random.integer(256)
for (let sample = 0; sample < batch; sample++) {
  const order = random.permutation(total)
  inputs.visible.set(order.subarray(0, visible).sort(), sample * visible)
  inputs.masked.set(order.subarray(visible, visible + predicted).sort(), sample * predicted)
}

const session = await (await engineNamed(engine)).open(programs, {
  threads: Number(threads),
  device: device === '' ? undefined : device,
  precision: precision === 'bfloat16' ? 'bfloat16' : 'float32',
})
// One by one, as PyTorch initialises: the peak is that of training, not of a second copy of the weights.
for (const [name, shape] of parameterShapes(configuration, 'pretrain')) {
  await session.writeState(initialise(new Map([[name, shape]]), 1))
}
let step = 0
for await (const line of createInterface({ input: process.stdin })) {
  const wall: number[] = []
  const cpu: number[] = []
  let loss = Number.NaN
  for (let i = 0; i < (JSON.parse(line) as { steps: number }).steps; i++) {
    const [start, before] = [performance.now(), process.cpuUsage()]
    const outputs = await session.run('pretrain', { ...inputs, step: Float32Array.of(++step) })
    const used = process.cpuUsage(before)
    wall.push(performance.now() - start)
    cpu.push((used.user + used.system) / 1000)
    loss = outputs.loss[0]
  }
  console.log(JSON.stringify({ wall, cpu, peak: process.resourceUsage().maxRSS / 1024, loss }))
}
await session.close()
