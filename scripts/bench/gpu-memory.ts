/**
 * What the training steps of gpu-train-step.ts need of a GPU's memory by the plan of the CUDA engine, with and without
 * recomputation of activations. Plans only: no GPU is asked.
 *
 *     npx tsx scripts/bench/gpu-memory.ts [--precision bfloat16]
 */
import { parseArgs } from 'node:util'
import { collectStates } from '../../src/engine/check.ts'
import { planSession } from '../../src/engine/cuda/session-plan.ts'
import { recomputeActivations, recomputeModes } from '../../src/graph/recompute.ts'
import { gpuCases, trainingPrograms } from './support/gpu-cases.ts'
import { programOperations } from './support/gpu-operations.ts'

const { values } = parseArgs({ options: { precision: { type: 'string', default: 'bfloat16' } } })
const precision = values.precision === 'float32' ? 'float32' : 'bfloat16'
const gib = (bytes: number): string => (bytes / 2 ** 30).toFixed(2)

/** An H200; its multiprocessors decide the size of a few small buffers. */
const device = { multiprocessors: 132, sharedMemoryPerBlock: 227 << 10, supportsMatmul: () => true }

console.log(`${precision}; activations and gradients (state and inputs next to them), GiB; operations of a step`)
for (const given of gpuCases) {
  const { programs } = trainingPrograms(given)
  const shapes = collectStates(programs)
  const operations = programOperations(programs[0])
  const cells = recomputeModes.map((recompute) => {
    const { need } = planSession(programs, shapes, { ...device, precision }, recompute)
    const more = programOperations(recomputeActivations(programs[0], recompute)) / operations
    return `${recompute} ${gib(need.workspace)} (${gib(need.state + 2 * need.inputs)}) x${more.toFixed(2)}`
  })
  console.log(`${`${given.name}, ${given.batch} clips`.padEnd(26)} ${cells.join('   ')}`)
}
