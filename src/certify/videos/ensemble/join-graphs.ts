/** Ensembles of encoder groups: the graphs of all groups side by side on the same frames, their scores and votes behind each other. */
import type { OnnxGraph } from '../../../format/onnx.ts'
import { voteNames } from './votes-graph.ts'

/**
 * @param graphs [groups] from the same inputs to `scores` [batch, learners, classes] and `votes` [batch, learners] of its learners
 * @param learners of all groups together
 */
export function joinGraphs(graphs: readonly OnnxGraph[], learners: number): OnnxGraph {
  const [{ inputs, outputs }] = graphs
  const shared = new Set(inputs.map(({ name }) => name))
  // An empty name is an input that is left out.
  const renamed = (group: number) => (name: string) =>
    name === '' || shared.has(name) ? name : `group${group}/${name}`
  const joined = [voteNames.scores, voteNames.votes].map((name) => ({
    op: 'Concat',
    inputs: graphs.map((_, group) => renamed(group)(name)),
    outputs: [name],
    attributes: { axis: { int: 1 } },
  }))
  return {
    name: 'votes',
    inputs,
    outputs: outputs.map((output) => ({
      ...output,
      shape: output.shape.map((size, axis) => (axis === 1 ? learners : size)),
    })),
    initializers: graphs.flatMap(({ initializers }, group) =>
      initializers.map((value) => ({ ...value, name: renamed(group)(value.name) })),
    ),
    nodes: [
      ...graphs.flatMap(({ nodes }, group) =>
        nodes.map((node) => ({
          ...node,
          ...(node.name === undefined ? {} : { name: renamed(group)(node.name) }),
          inputs: node.inputs.map(renamed(group)),
          outputs: node.outputs.map(renamed(group)),
        })),
      ),
      ...joined,
    ],
  }
}
