import { VideoMaeError } from '../../../core/errors.ts'
import type { Program } from '../../../graph/program.ts'
import { TensorValues } from '../../plan/tensor-values.ts'
import { elementBytes, type FloatType, type ValueId } from '../../plan/values.ts'
import type { KernelSource, MatmulShape } from '../device.ts'
import type { LaunchStep, MatmulStep, Step, StepArgument } from './schedule.ts'

export interface LoweringContext {
  /** Type of activations and of matrix operands. */
  readonly precision: FloatType
  readonly multiprocessors: number
  readonly sharedMemoryPerBlock: number
  readonly supportsMatmul: (shape: MatmulShape) => boolean
  /** Store the program's float inputs and states as activations right away. Default false. */
  readonly leavesAsActivations?: boolean
}

type Launch = {
  readonly kernel: string
  readonly entry: string
  /** ELEMENT of the kernel file. */
  readonly element?: FloatType
  readonly defines?: KernelSource['defines']
  readonly grid: readonly [number, number, number]
  readonly block: readonly [number, number]
  readonly shared?: number
  readonly arguments: readonly StepArgument[]
}

/** @param offset bytes into the value */
export const value = (id: ValueId, offset = 0): StepArgument => ({ kind: 'value', value: id, offset })
export const optional = (id: ValueId | null): StepArgument => (id === null ? { kind: 'null' } : value(id))
export const u32 = (number: number): StepArgument => ({ kind: 'u32', number })
export const f32 = (number: number): StepArgument => ({ kind: 'f32', number })

/** Turns the nodes of a program into launches and products. Bfloat16 copies of states are kept between runs. */
export class Lowering extends TensorValues {
  readonly context: LoweringContext
  readonly steps: Step[] = []

  constructor(program: Program, context: LoweringContext) {
    super(program, context.precision, 2 ** 32)
    this.context = context
    if (context.leavesAsActivations !== true) return
    for (const { tensor } of [...program.inputs, ...program.state]) {
      if (program.tensors[tensor].dtype === 'float32') this.stored.set(tensor, this.read(tensor, context.precision))
    }
  }

  protected convert(id: ValueId, type: FloatType): ValueId {
    const { home, count, label } = this.values[id]
    if (home.kind === 'state') {
      return this.add({ kind: 'copy', state: home.name, form: 'elements', rows: null }, type, count, `${label} (copy)`)
    }
    const to = this.temporary(count, type, label)
    const entry = type === 'bfloat16' ? 'castToBfloat16' : 'castToFloat32'
    this.each('cast', entry, null, count, type === 'bfloat16' ? 4 : 1, [value(to), value(id), u32(count)])
    return to
  }

  launch({ kernel, entry, element, defines = {}, grid, block, shared = 0, arguments: list }: Launch): void {
    if (grid[0] >= 2 ** 31 || grid[1] > 65_535 || grid[2] > 65_535) {
      throw new VideoMaeError(`${this.label}: a grid of ${grid.join(' x ')} blocks is more than CUDA allows.`, {
        code: 'PROGRAM_UNSUPPORTED',
        hint: 'Use a smaller batch.',
      })
    }
    if (shared > this.context.sharedMemoryPerBlock) {
      throw new VideoMaeError(
        `${this.label}: ${shared} bytes of shared memory are needed, but the GPU has ${this.context.sharedMemoryPerBlock} per block.`,
        { code: 'PROGRAM_UNSUPPORTED' },
      )
    }
    const step: LaunchStep = {
      kind: 'launch',
      label: this.label,
      kernel: {
        file: kernel,
        entry,
        defines: element === undefined ? defines : { ...defines, ELEMENT: element === 'float32' ? 'float' : element },
      },
      grid,
      block,
      shared,
      arguments: list,
      touches: [],
    }
    this.steps.push(step)
  }

  /**
   * A kernel that walks over `count` elements, `perThread` at a time where it can: enough threads for all, at most
   * eight blocks of 256 per multiprocessor, which then take several rounds.
   */
  each(
    kernel: string,
    entry: string,
    element: FloatType | null,
    count: number,
    perThread: number,
    list: readonly StepArgument[],
  ): void {
    const blocks = Math.ceil(count / (256 * perThread))
    const grid = [Math.max(1, Math.min(blocks, this.context.multiprocessors * 8)), 1, 1] as const
    this.launch({ kernel, entry, element: element ?? undefined, grid, block: [256, 1], arguments: list })
  }

  /** Elements of one 16-byte access. */
  pack(type: FloatType): number {
    return 16 / elementBytes[type]
  }

  matmul(step: Omit<MatmulStep, 'kind' | 'label'>): void {
    this.steps.push({ kind: 'matmul', label: this.label, ...step })
  }
}
