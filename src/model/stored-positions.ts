import { VideoMaeError } from '../core/errors.ts'
import { requireFiniteTensor } from '../format/finite.ts'
import type { SafetensorsFile } from '../format/safetensors.ts'
import { type ModelConfiguration, tokensPerClip } from './configuration.ts'
import type { NamingStyle } from './names.ts'
import { positionTable } from './positions.ts'

/** Where a file may hold a position table. */
interface TableNames {
  readonly encoder: readonly string[]
  readonly decoder: readonly string[]
}

function tableNames(style: NamingStyle, prefix: '' | 'encoder.'): TableNames {
  const decoder = [
    'decoder.pos_embed',
    'decoder_pos_embed',
    'decoder.position_embeddings',
    'decoder_position_embeddings',
  ]
  if (style === 'huggingface') {
    const name = 'embeddings.position_embeddings'
    return { encoder: [`videomae.${name}`, name], decoder }
  }
  // Beside an encoder with its prefix, a table without one is the decoder's.
  return prefix === 'encoder.'
    ? { encoder: ['encoder.pos_embed'], decoder: ['pos_embed', ...decoder] }
    : { encoder: ['pos_embed'], decoder }
}

export interface StoredPositions {
  /** The model with learned positions where its table is not the fixed one. */
  readonly configuration: ModelConfiguration
  /** Names of tables that equal the fixed ones, and need not be kept. */
  readonly fixed: readonly string[]
}

/**
 * Compares stored position tables with the fixed ones: one of the encoder that differs has been learned.
 *
 * @param inFile names in the file by the names without wrappers
 * @param wantsDecoder whether the decoder is used
 * @throws VideoMaeError `TENSOR_SHAPE` for a table of another grid, `MODEL_UNSUPPORTED` for one with a row for a class token, and for
 *   a decoder's table that is not the fixed one, `WEIGHTS_NOT_FINITE`
 */
export async function storedPositions(
  path: string,
  file: SafetensorsFile,
  inFile: ReadonlyMap<string, string>,
  configuration: ModelConfiguration,
  options: { readonly style: NamingStyle; readonly prefix: '' | 'encoder.'; readonly wantsDecoder: boolean },
): Promise<StoredPositions> {
  const names = tableNames(options.style, options.prefix)
  const fixed: string[] = []
  let learned = configuration.positions === 'learned'
  for (const part of ['encoder', 'decoder'] as const) {
    for (const name of names[part].filter((candidate) => inFile.has(candidate))) {
      if (part === 'decoder' && !options.wantsDecoder) fixed.push(name)
      else if (await equalsTable(path, file, inFile.get(name)!, configuration, part)) fixed.push(name)
      else if (part === 'decoder') throw learnedDecoder(path, name)
      else learned = true
    }
  }
  return {
    configuration: learned ? { ...configuration, positions: 'learned' } : configuration,
    fixed: learned ? fixed.filter((name) => !names.encoder.includes(name)) : fixed,
  }
}

async function equalsTable(
  path: string,
  file: SafetensorsFile,
  raw: string,
  configuration: ModelConfiguration,
  part: 'encoder' | 'decoder',
): Promise<boolean> {
  const { shape, dtype } = file.info(raw)
  const { width } = configuration[part]
  const tokens = tokensPerClip(configuration)
  const [rows, columns] = shape.slice(-2)
  if (shape.length < 2 || columns !== width || rows !== tokens || shape.slice(0, -2).some((length) => length !== 1)) {
    throw otherTable(path, raw, shape, { rows, tokens, width })
  }
  const values = await file.readFloat32(raw)
  requireFiniteTensor(path, raw, values)
  const table = positionTable(configuration, width)
  // Half precision keeps 8 or 11 bits of numbers up to 1.
  const tolerance = dtype === 'BF16' ? 5e-3 : dtype === 'F16' ? 1e-3 : 2e-5
  return values.every((value, i) => Math.abs(value - table[i]) <= tolerance)
}

function otherTable(
  path: string,
  name: string,
  shape: readonly number[],
  { rows, tokens, width }: { readonly rows: number; readonly tokens: number; readonly width: number },
): VideoMaeError {
  const classToken = rows === tokens + 1
  return new VideoMaeError(
    `Expected positions of ${tokens} tokens, shape [1, ${tokens}, ${width}], for tensor ${name} in ${path}, found [${shape.join(', ')}]${classToken ? ': one more row, as for a class token' : ''}.`,
    {
      code: classToken ? 'MODEL_UNSUPPORTED' : 'TENSOR_SHAPE',
      exit: 'data',
      hint: classToken
        ? 'Models with a class token are not supported.'
        : 'Frames, resolution or tubelet differ from config.json: set them there (docs/from-python.md).',
    },
  )
}

function learnedDecoder(path: string, name: string): VideoMaeError {
  return new VideoMaeError(
    `Expected the sine-cosine table of the decoder for tensor ${name} in ${path}, but its values are different.`,
    {
      code: 'MODEL_UNSUPPORTED',
      exit: 'data',
      hint: 'Learned positions are supported only in the encoder. Without the decoder and mask_token the file loads as an encoder.',
    },
  )
}
