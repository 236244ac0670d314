/**
 * What the WebGPU engine has to show on an adapter, a software one included:
 *
 *     npx tsx scripts/webgpu-check.ts [--steps 20] [--against reference] [--memory-steps 200] [--precision float16]
 *
 * curve: AdamW steps of ViT-Ti on clips of 112 pixels, losses against another engine (at most 1e-4 apart, 1e-2 in float16). memory: resident memory of
 * this process over many updates of one matrix; a software adapter keeps its buffers there. traffic: bytes that cross the bus in a
 * step, with the updates in the graph and as the engine onnx does it on the same device. Exit code 6 where losses or memory are off.
 */
import { parseArgs } from 'node:util'
import type { EngineSession, RunInputs } from '../src/engine/engine.ts'
import { lower } from '../src/engine/onnx/lowering/lower-program.ts'
import { loadRuntime } from '../src/engine/onnx/runtime.ts'
import { updateTensors } from '../src/engine/onnx/update/plan.ts'
import { GraphProgram, valueBytes } from '../src/engine/webgpu/graph-program.ts'
import { inThreadWebgpuEngine } from '../src/engine/webgpu/index.ts'
import { differentiate, engineNamed, Graph, multiply, type Program, sumLeading } from '../src/graph.ts'
import { exitCodes } from '../src/index.ts'
import {
  buildPretrainProgram,
  clipShape,
  initialize,
  type ModelConfiguration,
  parameterShapes,
  RandomStream,
} from '../src/model.ts'
import { stepTokens, trainStepCases } from './bench/support/train-step-cases.ts'

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '20' },
    against: { type: 'string', default: 'reference' },
    'memory-steps': { type: 'string', default: '200' },
    precision: { type: 'string', default: 'float32' },
  },
})
const { available, detail } = await inThreadWebgpuEngine.probe()
console.log(detail)
if (!available) process.exit(exitCodes.environment)
const precision = values.precision === 'float16' ? 'float16' : 'float32'
const tolerance = precision === 'float16' ? 1e-2 : 1e-4

interface Training {
  readonly programs: readonly Program[]
  readonly state: ReadonlyMap<string, Float32Array>
  readonly inputs: (step: number) => RunInputs
}

/** Pretraining of one clip a step, another one each time. */
function training(configuration: ModelConfiguration): Training {
  const { total, visible, predicted } = stepTokens(configuration, false)
  const sizes = { configuration, batch: 1, visible, masked: predicted }
  const { programs } = buildPretrainProgram({ ...sizes, optimizer: { clipNorm: 1 } })
  const inputs = (step: number): RunInputs => {
    const random = new RandomStream(step, 'webgpu-check')
    const order = random.permutation(total)
    return {
      frames: new Uint8Array(clipShape(configuration, 1).reduce((a, b) => a * b)).map(() => random.integer(256)),
      visible: Int32Array.from(order.subarray(0, visible)).sort(),
      masked: Int32Array.from(order.subarray(visible, total)).sort(),
      learningRate: Float32Array.of(1e-3),
      weightDecay: Float32Array.of(0.05),
      step: Float32Array.of(step),
    }
  }
  return { programs, inputs, state: initialize(parameterShapes(configuration, 'pretrain'), 1) }
}

async function start({ programs, state }: Training, name: string): Promise<EngineSession> {
  const onDevice = name === 'webgpu'
  const engine = onDevice ? inThreadWebgpuEngine : await engineNamed(name)
  const session = await engine.open(programs, onDevice ? { precision } : {})
  await session.writeState(state)
  return session
}

async function curve(model: Training, steps: number): Promise<boolean> {
  const sessions = [await start(model, 'webgpu'), await start(model, values.against)]
  let worst = 0
  for (let step = 1; step <= steps; step++) {
    const began = performance.now()
    const losses: number[] = []
    for (const session of sessions) losses.push((await session.run('pretrain', model.inputs(step))).loss[0])
    const difference = Math.abs(losses[0] / losses[1] - 1)
    worst = Math.max(worst, difference)
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    console.log(`step ${step}: ${losses.join(' ')} ${difference.toExponential(1)} (${seconds} s)`)
  }
  for (const session of sessions) await session.close()
  console.log(`losses: largest relative difference to ${values.against} over ${steps} steps ${worst.toExponential(2)}`)
  return worst < tolerance
}

/** AdamW with clipping and an average on one matrix of 4 MiB, 16 MiB of state: few shaders, and a leak of one state shows at once. */
function updates(): Program {
  const graph = new Graph('step')
  const [w, x] = [graph.state('w', [1024, 1024]), graph.input('x', [1024])]
  const loss = sumLeading(multiply(w, x), 0)
  const [gradient] = differentiate(loss, [w])
  for (const name of ['m', 'v', 'average']) graph.state(name, w.shape)
  const scalar = (name: string): number => graph.input(name, []).id
  const entry = {
    ...{ parameter: 'w', gradient: { tensor: gradient.id }, firstMoment: 'm', secondMoment: 'v' },
    ...{ decayScale: 1, learningRateScale: 1 },
  }
  return graph.build({ loss }, [
    {
      kind: 'adamw',
      entries: [entry],
      learningRate: scalar('learningRate'),
      weightDecay: scalar('weightDecay'),
      step: scalar('step'),
      ...{ beta1: 0.9, beta2: 0.95, epsilon: 1e-8, gradientScale: 1, clipNorm: 1, gradientNormOutput: 'norm' },
    },
    { kind: 'ema', entries: [{ ema: 'average', source: 'w' }], decay: scalar('decay') },
  ])
}

/** Whether the second half of the steps takes no more than 2 % beyond the first. */
async function memory(steps: number): Promise<boolean> {
  const session = await inThreadWebgpuEngine.open([updates()])
  const resident: number[] = []
  for (let step = 1; step <= steps; step++) {
    await session.run('step', {
      x: new Float32Array(1024).map((_, i) => Math.sin(i * step)),
      learningRate: Float32Array.of(1e-3),
      weightDecay: Float32Array.of(0.05),
      step: Float32Array.of(step),
      decay: Float32Array.of(0.9),
    })
    resident.push(process.memoryUsage().rss / 2 ** 20)
  }
  const { state } = await session.memory()
  await session.close()
  const at = (share: number): string => resident[Math.floor(share * (steps - 1))].toFixed(0)
  console.log(`memory: state ${(state / 2 ** 20).toFixed(1)} MiB; resident MiB after the first step ${at(0)},`)
  console.log(
    `  at a quarter, half, three quarters and the end of ${steps} steps ${[0.25, 0.5, 0.75, 1].map(at).join(' ')}`,
  )
  const half = resident.slice(0, Math.ceil(steps / 2))
  return Math.max(...resident) <= 1.02 * Math.max(...half)
}

async function traffic({ programs: [program] }: Training): Promise<void> {
  const { graph } = lower(program, {}, updateTensors(program)).model
  const opened = await GraphProgram.open(await loadRuntime(), program, new Set(), {})
  console.log(`traffic: ${opened.traffic.up} bytes up and ${opened.traffic.down} down a step;`)
  console.log(
    `  with updates outside of the graph ${valueBytes(graph.inputs)} up and ${valueBytes(graph.outputs)} down`,
  )
  await opened.close()
}

const model = training(trainStepCases.c.configuration)
await traffic(model)
const flat = Number(values['memory-steps']) === 0 || (await memory(Number(values['memory-steps'])))
const equal = Number(values.steps) === 0 || (await curve(model, Number(values.steps)))
console.log(`memory ${flat ? 'flat' : 'GROWS'}, losses ${equal ? 'agree' : 'DIFFER'}`)
process.exitCode = flat && equal ? exitCodes.success : exitCodes.checkFailed
