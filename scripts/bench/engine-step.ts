/**
 * Times whole training steps of one engine, `webgpu` by default, on this machine against `native` and `onnx`, interleaved:
 * milliseconds and clips per second, and how many times as fast as the other engine.
 *
 *     npx tsx scripts/bench/engine-step.ts [--engine webgpu] [--precision float16] [--case a,b] [--against native,onnx] [--rounds 3] [--steps 3] [--json out.json]
 *
 * Cases are those of train-step-cases.ts: a is ViT-S, b is ViT-B, c is ViT-Ti at 112 pixels. The first step of each engine compiles
 * and is not counted. An engine that cannot run here, or fails, is named and left out. `webgpu` has not run on a GPU yet.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { EngineSession, Precision } from '../../src/engine/engine.ts'
import { engineNamed } from '../../src/graph.ts'
import { exitCodes } from '../../src/index.ts'
import { initialize } from '../../src/model.ts'
import { stepInputs } from './support/step-inputs.ts'
import { trainStepCases } from './support/train-step-cases.ts'

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'webgpu' },
    precision: { type: 'string', default: 'float32' },
    case: { type: 'string', default: 'a,b' },
    against: { type: 'string', default: 'native,onnx' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
})
const { available, detail } = await (await engineNamed(values.engine)).probe()
console.log(detail)
if (!available) process.exit(exitCodes.environment)

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]

interface Timed {
  readonly engine: string
  readonly session: EngineSession
  readonly times: number[]
  step: number
}

/** A session that has made its first step; null where that fails. */
async function begin(engine: string, name: string): Promise<Timed | null> {
  const { programs, shapes } = stepInputs(name)
  try {
    const session = await (await engineNamed(engine)).open(
      programs,
      engine === values.engine ? { precision: values.precision as Precision } : {},
    )
    await session.writeState(initialize(shapes, 1))
    const timed = { engine, session, times: [], step: 0 }
    await runSteps(timed, name, 1)
    timed.times.length = 0
    return timed
  } catch (error) {
    console.log(`${name}: ${engine} does not run: ${(error as Error).message}`)
    return null
  }
}

async function runSteps(timed: Timed, name: string, steps: number): Promise<void> {
  const { programs, inputs } = stepInputs(name)
  for (let i = 0; i < steps; i++) {
    timed.step++
    const start = performance.now()
    await timed.session.run(programs[0].name, { ...inputs, step: Float32Array.of(timed.step) })
    timed.times.push(performance.now() - start)
  }
}

const results: { case: string; engine: string; milliseconds: number; clipsPerSecond: number }[] = []
for (const name of values.case.split(',')) {
  const { title, batch } = trainStepCases[name]
  console.log(`${name}: ${title}`)
  const sessions: Timed[] = []
  for (const engine of [values.engine, ...values.against.split(',')]) {
    const timed = await begin(engine, name)
    if (timed !== null) sessions.push(timed)
  }
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const timed of sessions) await runSteps(timed, name, Number(values.steps))
  }
  const own = sessions.find(({ engine }) => engine === values.engine)
  for (const { engine, times, session } of sessions) {
    const milliseconds = median(times)
    const clipsPerSecond = (1000 * batch) / milliseconds
    const ratio =
      own === undefined ? '' : `, ${values.engine} is ${(milliseconds / median(own.times)).toFixed(2)} times as fast`
    console.log(`  ${engine}: ${milliseconds.toFixed(0)} ms, ${clipsPerSecond.toFixed(1)} clips/s${ratio}`)
    results.push({ case: name, engine, milliseconds, clipsPerSecond })
    await session.close()
  }
}
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ engine: values.engine, detail, results }, null, 2)}\n`)
