import type { KernelSource } from './device.ts'
import { attentionTileDefines } from './lowering/attention.ts'
import { rowKernel } from './lowering/layer-norm.ts'
import { updateChunk } from './lowering/updates.ts'

/** A kernel file with the definitions that it is compiled with. */
export interface KernelVariant {
  readonly file: string
  readonly defines: KernelSource['defines']
  /** Whether training time depends on it: then it must not spill registers. */
  readonly hot: boolean
}

const elementFiles = [
  'add',
  'copy-blocks',
  'gelu',
  'layer-norm',
  'mean-squared-error',
  'multiply',
  'patches',
  'scale',
  'scale-samples',
  'sum-rows',
  'tokens',
  'unary',
] as const

/** Head widths of published models: ViT-S, -B and -L have 64, -H 80, -g 88. */
const headWidths = [32, 64, 80, 88, 128] as const

/** Of encoders and decoders of published models. */
const widths = [192, 384, 512, 640, 768, 1024, 1280, 1408] as const

/** Every kernel file in every form that models of this project use. */
export const kernelVariants: readonly KernelVariant[] = [
  ...headWidths.map((width) => ({
    file: 'attention-tiles',
    defines: { ELEMENT: 'bfloat16', ...attentionTileDefines(width) },
    hot: true,
  })),
  ...(['float', 'bfloat16'] as const).flatMap((element) => [
    ...elementFiles.map((file) => ({ file, defines: { ELEMENT: element }, hot: true })),
    { file: 'attention-plain', defines: { ELEMENT: element }, hot: false },
  ]),
  ...(['float32', 'bfloat16'] as const).flatMap((type) => {
    const kernels = widths.map((width) => rowKernel(type, width)).filter(({ kernel }) => kernel === 'layer-norm-rows')
    return [...new Set(kernels.map(({ defines }) => defines.PACKS))].map((packs) => ({
      file: 'layer-norm-rows',
      defines: { ELEMENT: type === 'float32' ? 'float' : type, PACKS: packs },
      hot: true,
    }))
  }),
  { file: 'cast', defines: {}, hot: true },
  { file: 'progress', defines: {}, hot: true },
  { file: 'softmax', defines: {}, hot: true },
  { file: 'updates', defines: { CHUNK: updateChunk }, hot: true },
]
