import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  openWith,
  randomClips,
  randomMasks,
  scalar,
  shakenState,
  tinyConfiguration,
} from '../../test/support/tiny-model.ts'
import type { RunInputs } from '../engine/engine.ts'
import { buildFinetuneProgram } from '../model/classify.ts'
import { parameterShapes } from '../model/parameters.ts'
import { buildPretrainProgram } from '../model/pretrain.ts'
import { Graph } from './graph.ts'
import { gelu } from './operations/elementwise.ts'
import type { Program, ProgramNode } from './program.ts'
import { recomputeActivations } from './recompute.ts'
import { type Cut, keptCuts } from './recompute-cuts.ts'

const configuration = tinyConfiguration({ encoder: { width: 12, depth: 3, heads: 3, mlpRatio: 2 } })
const batch = 2
const { visible, masked, counts } = randomMasks(configuration, batch)
const pretraining = {
  program: buildPretrainProgram({ configuration, batch, ...counts, prediction: true, gradients: true }).programs[0],
  state: shakenState(parameterShapes(configuration, 'pretrain')),
  inputs: { frames: randomClips(configuration, batch), visible, masked } satisfies RunInputs,
}
const classes = 3
const finetuning = {
  program: buildFinetuneProgram({
    configuration,
    batch,
    classes,
    dropPath: true,
    dropout: true,
    optimizer: null,
    gradients: true,
  }).programs[0],
  state: shakenState(parameterShapes(configuration, 'classify', classes)),
  inputs: {
    frames: randomClips(configuration, batch),
    targets: Float32Array.of(1, 0, 0, 0, 0.5, 0.5),
    dropPath: Float32Array.from({ length: 2 * 3 * batch }, (_, i) => (i % 5 === 0 ? 0 : 1.25)),
    dropout: Float32Array.from({ length: batch * 12 }, (_, i) => (i % 3 === 0 ? 0 : 1.5)),
  } satisfies RunInputs,
}

const firstGradient = ({ nodes }: Program): number => nodes.findIndex(({ operation }) => operation.endsWith('Gradient'))
const forward = (program: Program): readonly ProgramNode[] => program.nodes.slice(0, firstGradient(program))
const backward = (program: Program): readonly ProgramNode[] => program.nodes.slice(firstGradient(program))

/** Tensors made in the forward pass that the backward pass reads. */
function kept(program: Program): Set<number> {
  const made = new Set(forward(program).flatMap(({ outputs }) => outputs))
  return new Set(backward(program).flatMap(({ inputs }) => inputs.filter((tensor) => made.has(tensor))))
}

function keptElements(program: Program): number {
  const count = (tensor: number) => program.tensors[tensor].shape.reduce((a, b) => a * b, 1)
  return [...kept(program)].reduce((sum, tensor) => sum + count(tensor), 0)
}

describe.each([
  ['pretraining', pretraining],
  ['fine-tuning with drop path and dropout', finetuning],
])('recomputing activations of %s', (_, { program, state, inputs }) => {
  test.each(['cheap', 'blocks'] as const)('%s changes no bit of any output', async (mode) => {
    const expected = await (await openWith([program], state)).run(program.name, inputs)
    const session = await openWith([recomputeActivations(program, mode)], state)
    expect(await session.run(program.name, inputs)).toEqual(expected)
  })

  test('leaves every node behind what it reads, and the forward pass as it was', () => {
    for (const mode of ['cheap', 'blocks'] as const) {
      const changed = recomputeActivations(program, mode)
      expect(forward(changed)).toEqual(forward(program))
      const made = new Set([...program.inputs, ...program.state, ...program.constants].map(({ tensor }) => tensor))
      for (const { inputs: read, outputs } of changed.nodes) {
        for (const tensor of read) expect(made.has(tensor)).toBe(true)
        for (const tensor of outputs) {
          expect(made.has(tensor)).toBe(false)
          made.add(tensor)
        }
      }
    }
  })

  test('keeps less, and blocks least', () => {
    const [none, cheap, blocks] = (['none', 'cheap', 'blocks'] as const).map((mode) =>
      keptElements(recomputeActivations(program, mode)),
    )
    expect(cheap).toBeLessThan(none)
    expect(blocks).toBeLessThan(cheap)
  })
})

describe('recomputing activations', () => {
  test('cheap runs norms, GELUs and patches again, nothing else', () => {
    const { program } = pretraining
    const again = recomputeActivations(program, 'cheap').nodes.length - program.nodes.length
    const count = (nodes: readonly ProgramNode[], names: readonly string[]) =>
      nodes.filter(({ operation }) => names.includes(operation)).length
    const cheap = ['layerNorm', 'gelu', 'patchify']
    expect(again).toBe(count(forward(program), cheap))
    expect(count(backward(recomputeActivations(program, 'cheap')), cheap)).toBe(again)
  })

  test('blocks runs every attention again, but not what the backward pass needs at once or never', () => {
    const { program } = pretraining
    const count = (nodes: readonly ProgramNode[], name: string) =>
      nodes.filter(({ operation }) => operation === name).length
    const again = backward(recomputeActivations(program, 'blocks'))
    expect(count(again, 'attention')).toBe(count(forward(program), 'attention'))
    // The head of the decoder comes last, and sums that become kept tensors are no inputs of gradients.
    expect(count(again, 'linear')).toBeLessThan(count(forward(program), 'linear') - 1)
    expect(count(again, 'meanSquaredError')).toBe(0)
  })

  test('leaves a program without a backward pass alone', () => {
    const graph = new Graph('forward')
    const program = graph.build({ y: gelu(graph.input('x', [2])) })
    expect(recomputeActivations(program, 'blocks')).toBe(program)
  })

  test('trains the same with an optimizer in the program', async () => {
    const { state, inputs } = pretraining
    const built = buildPretrainProgram({ configuration, batch, ...counts, optimizer: {} })
    const run = { ...inputs, learningRate: scalar(0.01), weightDecay: scalar(0.1), step: scalar(1) }
    const results: Map<string, Float32Array>[] = []
    for (const mode of ['none', 'blocks'] as const) {
      const session = await openWith([recomputeActivations(built.programs[0], mode)], state)
      await session.run(built.step, run)
      results.push(await session.readState())
    }
    expect(results[1]).toEqual(results[0])
  })
})

describe('the choice of cuts', () => {
  const drawn = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.boolean()), { minLength: 1, maxLength: 9 })

  /** What is kept and the largest stretch, for a choice of cuts. */
  function cost(cuts: readonly Cut[], weights: readonly number[], chosen: readonly number[]): number {
    let from = 0
    let largest = 0
    const sum = (to: number) => weights.slice(from, to).reduce((a, b) => a + b, 0)
    for (const i of chosen) {
      largest = Math.max(largest, sum(cuts[i].at + 1) - cuts[i].size)
      from = cuts[i].at + 1
    }
    return Math.max(largest, sum(weights.length)) + chosen.reduce((total, i) => total + cuts[i].size, 0)
  }

  test('is the best of all choices', () => {
    fc.assert(
      fc.property(drawn, (nodes) => {
        const weights = nodes.map(([weight]) => weight)
        const cuts = nodes.flatMap(([weight, isCut], at) => (isCut ? [{ at, size: Math.min(weight, 2) }] : []))
        const all = Array.from({ length: 2 ** cuts.length }, (_, bits) =>
          cuts.flatMap((_cut, i) => ((bits >> i) & 1 ? [i] : [])),
        )
        const best = Math.min(...all.map((chosen) => cost(cuts, weights, chosen)))
        expect(cost(cuts, weights, keptCuts(cuts, weights))).toBe(best)
      }),
      { seed: 5, numRuns: 300 },
    )
  })
})
