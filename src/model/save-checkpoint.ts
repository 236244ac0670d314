import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { makeFolder } from '../core/make-folder.ts'
import { withChecksum } from '../format/checksum.ts'
import { describedBy, writeSums } from '../format/folder-sums.ts'
import { type SafetensorsTensor, writeSafetensors } from '../format/safetensors.ts'
import { elementCount } from '../graph/program.ts'
import type { ModelConfiguration } from './configuration.ts'
import { writeHuggingFaceConfiguration } from './huggingface.ts'
import type { ModelState } from './model-state.ts'
import { fileShape, huggingFaceTensors } from './names.ts'
import { type ModelKind, parameterShapes } from './parameters.ts'
import { writeHuggingFacePreprocessor } from './preprocessing.ts'

/** A model with its weights, to be written. */
export interface SavedModel {
  /** The model. */
  readonly configuration: ModelConfiguration
  /** What the weights are of: a pretraining model, an encoder or a classifier. */
  readonly kind: ModelKind
  /** May hold more than the model's parameters (moments, averages); the rest is left out. */
  readonly state: ModelState
  /** Classes of a classifier; null or absent for one without its last layer. */
  readonly classes?: number | null
  /** Names of the classes, in the order of their indices. Default: none. */
  readonly labels?: readonly string[] | null
  /** Free-form strings for the header of `model.safetensors`. */
  readonly metadata?: Readonly<Record<string, string>>
}

/**
 * The tensors of a model as a Hugging Face file holds them, sharing memory with `state`.
 *
 * @returns tensors by their names in the file
 * @throws VideoMaeError `PARAMETER_MISSING` where `state` has not all values of a parameter
 */
export function toHuggingFaceTensors({ configuration, kind, classes = null, state }: SavedModel) {
  const tensors = new Map<string, SafetensorsTensor & { readonly data: Float32Array }>()
  for (const [parameter, shape] of parameterShapes(configuration, kind, classes)) {
    const values = state.get(parameter)
    if (values === undefined || values.length !== elementCount(shape)) {
      throw new VideoMaeError(
        `Expected ${elementCount(shape)} values for the parameter ${parameter}, received ${values?.length ?? 'none'}.`,
        { code: 'PARAMETER_MISSING' },
      )
    }
    const pieces = huggingFaceTensors(parameter)
    const piece = fileShape(parameter, shape, pieces.length, configuration)
    const length = elementCount(piece)
    for (const [i, { name }] of pieces.entries()) {
      tensors.set(name, { shape: piece, data: values.subarray(i * length, (i + 1) * length) })
    }
  }
  return tensors
}

/** What `saveCheckpointDirectory` calls the weights. */
export const weightsFile = 'model.safetensors'

/** Files next to the weights that `saveCheckpointDirectory` writes. */
export const modelFiles = ['config.json', 'preprocessor_config.json'] as const

/**
 * Writes `config.json`, `model.safetensors`, `preprocessor_config.json` and their checksums into a directory, which is made if need be.
 * Not atomic: write to a temporary directory and rename it where that matters.
 *
 * @throws VideoMaeError `PARAMETER_MISSING` when the state lacks a parameter of the model
 */
export async function saveCheckpointDirectory(directory: string, model: SavedModel): Promise<void> {
  const { configuration, kind, labels = null, metadata } = model
  const tensors = toHuggingFaceTensors(model)
  makeFolder(directory)
  await writeJson(join(directory, 'config.json'), writeHuggingFaceConfiguration(configuration, kind, labels))
  await writeJson(join(directory, 'preprocessor_config.json'), writeHuggingFacePreprocessor(configuration))
  // transformers refuses files whose metadata does not name a framework.
  await writeSafetensors(join(directory, weightsFile), tensors, {
    format: 'pt',
    ...withChecksum,
    ...describedBy(modelFiles),
    ...metadata,
  })
  await writeSums(directory, modelFiles, [weightsFile])
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`)
}
