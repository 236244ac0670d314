/**
 * The measured process of scripts/bench/train-step.ts: answers each line `{"steps": n}` with wall and CPU milliseconds
 * per step and the peak resident memory in MiB. One argument, JSON: task (a case with its sizes), engine, precision,
 * threads, device. Plain JavaScript on dist/, so that nothing else runs in the measured process.
 */
import { createInterface } from 'node:readline'
import { RandomStream } from '../../dist/core/random.js'
import { engineNamed } from '../../dist/engine/index.js'
import { buildPretrainProgram, clipShape, initialise, parameterShapes } from '../../dist/model/index.js'

const { configuration, batch, visible, predicted, total, dual, engine, precision, threads, device } = JSON.parse(
  process.argv[2],
)
const masking = dual ? { decoded: predicted } : { masked: predicted }
const { programs } = buildPretrainProgram({ configuration, batch, visible, ...masking, optimiser: {} })

const random = new RandomStream(1, 'train-step')
const inputs = {
  frames: new Uint8Array(clipShape(configuration, batch).reduce((a, b) => a * b)),
  visible: new Int32Array(batch * visible),
  masked: new Int32Array(batch * predicted),
  learningRate: Float32Array.of(1e-4),
  weightDecay: Float32Array.of(0.05),
}
if (dual) inputs.weight = new Float32Array(batch * predicted).fill(1)
for (let i = 0; i < inputs.frames.length; i++) inputs.frames[i] = random.integer(256)
for (let sample = 0; sample < batch; sample++) {
  const order = random.permutation(total)
  inputs.visible.set(order.subarray(0, visible).sort(), sample * visible)
  inputs.masked.set(order.subarray(visible, visible + predicted).sort(), sample * predicted)
}

const session = await (await engineNamed(engine)).open(programs, { threads, device, precision })
// One by one, as PyTorch initialises: the peak is that of training, not of a second copy of the weights.
for (const [name, shape] of parameterShapes(configuration, 'pretrain')) {
  await session.writeState(initialise(new Map([[name, shape]]), 1))
}
let step = 0
for await (const line of createInterface({ input: process.stdin })) {
  const wall = []
  const cpu = []
  let loss = Number.NaN
  for (let i = 0; i < JSON.parse(line).steps; i++) {
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
