/** The description next to an exported ONNX file: everything that a program needs to make its inputs and to read its outputs. */
import { lstat, readdir, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { packageVersion } from '../core/package-version.ts'
import { followLink } from '../format/atomic.ts'
import { fileDigest } from '../format/file-digest.ts'
import { describingFiles } from '../format/folder-sums.ts'
import type { OnnxModel, OnnxValue } from '../format/onnx.ts'
import { outputTaken, requireOnnxTarget } from '../format/onnx-target.ts'
import { beginsAs } from '../format/own-results.ts'
import { type ClipOfFile, type SidecarClip, sidecarClip } from './sidecar-clip.ts'

/** An input or an output of the file. */
export interface SidecarTensor {
  readonly name: string
  readonly type: string
  /** Sizes; a name for a size that is free. */
  readonly shape: readonly (number | string)[]
  /** What the axes count, in the order of `shape`. */
  readonly axes: readonly string[]
  /** What the values are, one sentence. */
  readonly values: string
}

/** `NAME.json` next to `NAME.onnx`, format `videomae-onnx`, version 1. docs/onnx.md explains every field. */
export interface OnnxSidecar {
  /** Name of the format. */
  readonly format: 'videomae-onnx'
  /** Version of the format. */
  readonly version: 1
  /** What the model computes. */
  readonly task: 'features' | 'classify' | 'certified-votes'
  /** Program and version that wrote the file. */
  readonly producer: string
  /** `digest` is SHA-256 of the weights, as certificates and features name them. */
  readonly model: { readonly name: string; readonly digest: string }
  /** License of the weights. */
  readonly license: string
  /** The ONNX file first, then the file of its weights where there is one. */
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[]
  /** Of the weights in the file. */
  readonly precision: string
  /** Inputs of the model, with shapes and types. */
  readonly inputs: readonly SidecarTensor[]
  /** Outputs of the model, with shapes and types. */
  readonly outputs: readonly SidecarTensor[]
  /** Names of the classes in the order of the outputs; null for features. */
  readonly labels: readonly string[] | null
  /** How a clip is made from a video; null where the input is features. */
  readonly clip: SidecarClip | null
  /** What is read of the tokens; null where the file has no tokens. */
  readonly readout: string | null
  /** Of a certified ensemble: what its votes are counted with, and the claim. */
  readonly ensemble: Readonly<Record<string, unknown>> | null
}

export interface SidecarFacts {
  readonly task: OnnxSidecar['task']
  readonly model: OnnxSidecar['model']
  readonly precision?: string
  /** The model that is written; its graph names inputs and outputs. */
  readonly onnx: OnnxModel
  readonly tensors: Readonly<Record<string, Pick<SidecarTensor, 'axes' | 'values'>>>
  readonly labels?: readonly string[]
  readonly clip: ClipOfFile | null
  readonly readout: string | null
  readonly ensemble?: Readonly<Record<string, unknown>>
}

export const weightsLicense =
  'The owner of the weights decides their license; weights derived from published VideoMAE checkpoints are CC-BY-NC 4.0.'

/** Path of the description of an exported file: `NAME.json` for `NAME.onnx`. */
export function sidecarPath(file: string): string {
  return `${file.replace(/\.onnx$/i, '')}.json`
}

/** The description without the files, which are not there before they are written. */
export function describeExport(facts: SidecarFacts): Omit<OnnxSidecar, 'files'> {
  const { task, model, precision = 'float32', onnx, tensors, labels = null, clip, readout, ensemble = null } = facts
  const described = ({ name, type, shape }: OnnxValue): SidecarTensor => ({ name, type, shape, ...tensors[name] })
  return {
    format: 'videomae-onnx',
    version: 1,
    task,
    producer: `videomae ${packageVersion()}`,
    model,
    license: weightsLicense,
    precision,
    inputs: onnx.graph.inputs.map(described),
    outputs: onnx.graph.outputs.map(described),
    labels,
    clip: clip === null ? null : sidecarClip(clip),
    readout,
    ensemble,
  }
}

/**
 * Writes the description next to the files of a model.
 *
 * @param files the ONNX file, then its data file if there is one
 * @returns its path, and what it says
 */
export async function writeSidecar(
  files: readonly string[],
  { format, version, task, producer, model, license, ...rest }: Omit<OnnxSidecar, 'files'>,
): Promise<{ readonly file: string; readonly sidecar: OnnxSidecar }> {
  const facts = await Promise.all(
    files.map(async (file) => ({
      name: path.basename(file),
      bytes: (await stat(file)).size,
      sha256: await fileDigest(file),
    })),
  )
  const sidecar = { format, version, task, producer, model, license, files: facts, ...rest }
  const file = sidecarPath(files[0])
  await writeFile(file, `${JSON.stringify(sidecar, null, 2)}\n`)
  return { file, sidecar }
}

/** How a description begins; nothing else is replaced by one. */
const beginning = /^\{\s*"format": "videomae-onnx"/

/** Files that readers of a checkpoint look for next to its weights. */
const checkpointFiles: ReadonlySet<string> = new Set([
  ...describingFiles,
  'trainer-state.json',
  'training-manifest.json',
])

/**
 * Refuses a path where an ONNX file or its description would replace something else, or where the description would be taken for
 * a part of a checkpoint.
 *
 * @param out the ONNX file to write
 * @throws VideoMaeError `OUTPUT_TAKEN`
 */
export async function requireExportTarget(out: string): Promise<void> {
  await requireOnnxTarget(out)
  const beside = sidecarPath(await followLink(out))
  const found = await lstat(beside).catch(() => null)
  if (found !== null && !(found.isFile() && (await beginsAs(beside, beginning))))
    throw outputTaken(beside, 'the description of an ONNX file')
  const name = path.basename(beside)
  if (!checkpointFiles.has(name)) return
  const others = await readdir(path.dirname(beside)).catch((): string[] => [])
  if (!others.some((other) => other === 'config.json' || other.endsWith('.safetensors'))) return
  throw new VideoMaeError(
    `Expected a name other than ${path.basename(out)} in the folder of a checkpoint: its description ${name} would look like a file of the checkpoint.`,
    { code: 'OUTPUT_TAKEN', exit: 'usage', hint: 'Choose another name or another folder with --out.' },
  )
}
