import {
  buildEncodeProgram,
  buildFinetuneProgram,
  buildPretrainProgram,
  clipShape,
  parameterShapes,
  RandomStream,
} from '../../../src/model.ts'
import { stepTokens, trainStepCases } from './train-step-cases.ts'

/** The programs of a case, random inputs (without `step`), and the shapes of its parameters. */
export function stepInputs(name: string) {
  const { job, configuration, batch } = trainStepCases[name]
  const { total, visible, predicted } = stepTokens(configuration, false)
  const random = new RandomStream(1, 'native-profile')
  const inputs = {
    frames: new Uint8Array(clipShape(configuration, batch).reduce((a, b) => a * b)).map(() => random.integer(256)),
    visible: new Int32Array(batch * visible),
    masked: new Int32Array(batch * predicted),
    learningRate: Float32Array.of(1e-4),
    weightDecay: Float32Array.of(0.05),
  }
  for (let sample = 0; sample < batch; sample++) {
    const order = random.permutation(total)
    inputs.visible.set(order.subarray(0, visible).sort(), sample * visible)
    inputs.masked.set(order.subarray(visible, total).sort(), sample * predicted)
  }
  if (job === 'pretrain') {
    const { programs } = buildPretrainProgram({ configuration, batch, visible, masked: predicted, optimizer: {} })
    return { programs, inputs, shapes: parameterShapes(configuration, 'pretrain') }
  }
  if (job === 'finetune') {
    const { programs, parameters } = buildFinetuneProgram({ configuration, batch, classes: 10, optimizer: {} })
    const targets = new Float32Array(batch * 10).map((_, i) => (i % 10 === 0 ? 1 : 0))
    return { programs, inputs: { ...inputs, targets }, shapes: parameters }
  }
  const program = buildEncodeProgram({ configuration, kind: 'classify', batch })
  const outputs = program.outputs.filter(({ name }) => name === 'pooled')
  const shapes = new Map(program.state.map(({ name, tensor }) => [name, program.tensors[tensor].shape]))
  return { programs: [{ ...program, outputs }], inputs, shapes }
}
