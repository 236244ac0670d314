/** What is where safetensors are expected, called by its name: files of PyTorch above all, which have to be converted. */
import { readdir } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { VideoMaeError } from '../core/errors.ts'
import { kindByBytes } from './known-bytes.ts'

/** Formats by the first bytes of a file. */
const formats: readonly { readonly name: string; readonly pickle: boolean; readonly bytes: readonly number[] }[] = [
  { name: 'a zip archive, as torch.save writes it', pickle: true, bytes: [0x50, 0x4b, 0x03, 0x04] },
  { name: 'a pickle, as torch.save wrote it before PyTorch 1.6', pickle: true, bytes: [0x80, 0x02] },
  { name: 'a pickle', pickle: true, bytes: [0x80, 0x03] },
  { name: 'a pickle', pickle: true, bytes: [0x80, 0x04, 0x95] },
  { name: 'a pickle', pickle: true, bytes: [0x80, 0x05, 0x95] },
  { name: 'an HDF5 file, as Keras writes it', pickle: false, bytes: [0x89, 0x48, 0x44, 0x46] },
  { name: 'a gzip archive', pickle: false, bytes: [0x1f, 0x8b] },
  { name: 'a GGUF file', pickle: false, bytes: [0x47, 0x47, 0x55, 0x46] },
  {
    name: 'a pointer of Git LFS: the file itself has not been downloaded',
    pickle: false,
    bytes: [...Buffer.from('version ')],
  },
]

export type OtherFormat = Pick<(typeof formats)[number], 'name' | 'pickle'>

/** The format that the first 8 bytes of a file belong to; null for safetensors and what is not known. */
export function otherFormat(prefix: Uint8Array): OtherFormat | null {
  // Safetensors begin with the size of their header, less than 2^32: two bytes of a mark may be a size, such as 640.
  const maySize = prefix.subarray(4).every((byte) => byte === 0)
  const fits = ({ bytes }: (typeof formats)[number]) =>
    bytes.every((byte, i) => prefix[i] === byte) && !(maySize && bytes.length < 3)
  const found = formats.find(fits)
  if (found !== undefined || maySize) return found ?? null
  const name = kindByBytes(prefix) ?? textKind(prefix)
  return name === null ? null : { name, pickle: false }
}

/** A page that says "not found", a list: their first bytes would be the size of a header that no file has. */
function textKind(prefix: Uint8Array): string | null {
  const text = Buffer.from(prefix).toString('latin1')
  return prefix.length === 8 && /^[\x20-\x7e\r\n\t]+$/.test(text)
    ? `text that begins with ${JSON.stringify(text)}`
    : null
}

const conversion = 'Convert it to safetensors once, in Python: docs/from-python.md has the code (under "Weights").'

export function notSafetensors(path: string, { name, pickle }: OtherFormat): VideoMaeError {
  return new VideoMaeError(
    `Expected a safetensors file at ${path}, but it is ${name}.${pickle ? ' Such files are not read, because loading one runs code that it contains.' : ''}`,
    {
      code: pickle ? 'PYTORCH_FILE' : 'SAFETENSORS_INVALID',
      exit: 'data',
      hint: pickle
        ? conversion
        : name.includes('LFS')
          ? 'Download it with `git lfs pull`.'
          : 'Use weights in safetensors format.',
    },
  )
}

/** A name on a model hub, owner/name, is no path. */
export function nothingAt(path: string): VideoMaeError {
  return new VideoMaeError(`Expected a safetensors file or directory at ${path}, but there is none.`, {
    code: 'SAFETENSORS_NOT_FOUND',
    exit: 'data',
    hint: hubHint(path) ?? 'Check the path.',
  })
}

/** How to get a model by its name on the hub; null where a path does not look like one. */
export function hubHint(path: string): string | null {
  const match = /^(?:hf:)?([\w-][\w.-]*)\/([\w-][\w.-]*)$/.exec(path)
  if (match === null || match[1] === 'checkpoints') return null
  const name = `${match[1]}/${match[2]}`
  return `If this is a name on a model hub, write hf:${name} on the command line, or run \`videomae get ${name} ${match[2]}\` and name the folder ${match[2]}.`
}

/** A directory without safetensors: what it holds says what to do. */
export async function nothingIn(path: string): Promise<VideoMaeError> {
  const names = await readdir(path).catch((): string[] => [])
  const fail = (found: string, code: string, hint: string): VideoMaeError =>
    new VideoMaeError(`Expected model.safetensors or model.safetensors.index.json in ${path}, which ${found}.`, {
      code,
      exit: 'data',
      hint,
    })
  const trainer = await newestTrainerCheckpoint(path, names)
  if (trainer !== null) {
    const { folder, count, names: inside } = trainer
    const all = count === 1 ? 'one checkpoint' : `${count} checkpoints`
    const hint = inside.some(isSafetensors)
      ? `Name one of them, e.g. the newest: ${join(path, folder)}`
      : `The newest, ${join(path, folder)}, holds ${inside.some(isPickle) ? `${inside.filter(isPickle)[0]}: convert it to safetensors (docs/from-python.md, "Weights"), then name that folder` : 'no weights either: copy or save them again'}.`
    return fail(`is the output folder of a trainer with ${all} in it`, 'SAFETENSORS_NOT_FOUND', hint)
  }
  const pickles = names.filter(isPickle)
  if (pickles.length > 0) return fail(`holds ${pickles.slice(0, 3).join(', ')} of PyTorch`, 'PYTORCH_FILE', conversion)
  const others = names.filter((name) => name.endsWith('.safetensors'))
  if (others.length > 0) {
    return fail(
      `holds ${others.slice(0, 3).join(', ')}`,
      'SAFETENSORS_NOT_FOUND',
      `Name the file: ${join(path, others[0])}`,
    )
  }
  const known = names.slice(0, 4).join(', ')
  return fail(
    names.length === 0 ? 'is empty' : `holds ${known}${names.length > 4 ? ', ...' : ''}`,
    'SAFETENSORS_NOT_FOUND',
    'Name a run folder (checkpoints/<run>), one of its step-... folders, a Hugging Face directory, or a .safetensors file.',
  )
}

const isSafetensors = (name: string): boolean => name === 'model.safetensors' || name === 'model.safetensors.index.json'
/** Weights of PyTorch, not the state of its optimizer. */
const isPickle = (name: string): boolean =>
  ['.pth', '.pt', '.bin', '.ckpt'].includes(extname(name).toLowerCase()) &&
  !/^(optimizer|scheduler|training_args|rng_state|scaler)/.test(name)

/** Trainers of transformers leave `checkpoint-N` folders, N the step. */
async function newestTrainerCheckpoint(path: string, names: readonly string[]) {
  const steps = names.flatMap((name) => {
    const match = /^checkpoint-(\d+)$/.exec(name)
    return match === null ? [] : [Number(match[1])]
  })
  if (steps.length === 0) return null
  const folder = `checkpoint-${Math.max(...steps)}`
  return { folder, count: steps.length, names: await readdir(join(path, folder)).catch((): string[] => []) }
}
