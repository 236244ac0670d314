/** Graphs, operations, differentiation and programs: what a model is written in and what an engine runs. */
export { differentiate } from './differentiate.ts'
export { Graph, Tensor } from './graph.ts'
export * from './program.ts'
