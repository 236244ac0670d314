/**
 * The measured process of scripts/bench/train-step.ts: answers each line `{"steps": n}` with wall and CPU milliseconds
 * per step and the peak resident memory in MiB. One argument, JSON: a case with its sizes, engine, precision, threads,
 * device. Plain JavaScript on dist/, so that nothing else runs in the measured process.
 */
import { createInterface } from 'node:readline'
import { RandomStream } from '../../../dist/core/random.js'
import { engineNamed } from '../../../dist/engine/index.js'
import { buildFinetuneProgram } from '../../../dist/model/classify.js'
import { clipShape } from '../../../dist/model/configuration.js'
import { buildEncodeProgram } from '../../../dist/model/encode-program.js'
import { initialize } from '../../../dist/model/initialize.js'
import { parameterShapes } from '../../../dist/model/parameters.js'
import { buildPretrainProgram } from '../../../dist/model/pretrain.js'

const { job, configuration, batch, visible, predicted, total, dual, engine, precision, threads, device } = JSON.parse(
  process.argv[2],
)
const random = new RandomStream(1, 'train-step')
const frames = new Uint8Array(clipShape(configuration, batch).reduce((a, b) => a * b))
for (let i = 0; i < frames.length; i++) frames[i] = random.integer(256)
const rates = { learningRate: Float32Array.of(1e-4), weightDecay: Float32Array.of(0.05) }

function pretraining() {
  const masking = dual ? { decoded: predicted } : { masked: predicted }
  const { programs } = buildPretrainProgram({ configuration, batch, visible, ...masking, optimizer: {} })
  const inputs = {
    ...{ frames, ...rates },
    visible: new Int32Array(batch * visible),
    masked: new Int32Array(batch * predicted),
  }
  if (dual) inputs.weight = new Float32Array(batch * predicted).fill(1)
  for (let sample = 0; sample < batch; sample++) {
    const order = random.permutation(total)
    inputs.visible.set(order.subarray(0, visible).sort(), sample * visible)
    inputs.masked.set(order.subarray(visible, visible + predicted).sort(), sample * predicted)
  }
  return { programs, inputs, name: 'pretrain', shapes: parameterShapes(configuration, 'pretrain') }
}

function finetuning() {
  const classes = 10
  const { programs, parameters } = buildFinetuneProgram({ configuration, batch, classes, optimizer: {} })
  const targets = new Float32Array(batch * classes)
  for (let sample = 0; sample < batch; sample++) targets[sample * classes + (sample % classes)] = 1
  return { programs, inputs: { frames, targets, ...rates }, name: programs[0].name, shapes: parameters }
}

function features() {
  const program = buildEncodeProgram({ configuration, kind: 'classify', batch })
  const outputs = program.outputs.filter(({ name }) => name === 'pooled')
  const shapes = new Map(program.state.map(({ name, tensor }) => [name, program.tensors[tensor].shape]))
  return { programs: [{ ...program, outputs }], inputs: { frames }, name: program.name, shapes }
}

const { programs, inputs, name, shapes } = { pretrain: pretraining, finetune: finetuning, features }[job]()
const counts = programs[0].inputs.some((input) => input.name === 'step')
const session = await (await engineNamed(engine)).open(programs, { threads, device, precision })
// One by one, as PyTorch initializes: the peak is that of training, not of a second copy of the weights.
for (const [parameter, shape] of shapes) await session.writeState(initialize(new Map([[parameter, shape]]), 1))
let step = 0
for await (const line of createInterface({ input: process.stdin })) {
  const wall = []
  const cpu = []
  let loss = null
  for (let i = 0; i < JSON.parse(line).steps; i++) {
    step++
    const [start, before] = [performance.now(), process.cpuUsage()]
    const outputs = await session.run(name, counts ? { ...inputs, step: Float32Array.of(step) } : inputs)
    const used = process.cpuUsage(before)
    wall.push(performance.now() - start)
    cpu.push((used.user + used.system) / 1000)
    loss = outputs.loss?.[0] ?? null
  }
  console.log(JSON.stringify({ wall, cpu, peak: process.resourceUsage().maxRSS / 1024, loss }))
}
await session.close()
