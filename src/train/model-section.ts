import { VideoMaeError } from '../core/errors.ts'
import type { Resize } from '../core/frame-size.ts'
import {
  type ModelConfiguration,
  resolveConfiguration,
  type TransformerOptions,
  type TransformerSize,
  tokenGrid,
} from '../model/configuration.ts'
import { presetConfiguration } from '../model/presets.ts'
import type { RunConfiguration } from './configuration.ts'

type ModelSection = RunConfiguration['model']

/**
 * The model that the `model` section of a run describes.
 *
 * Without `from`: a preset, with every size that is given replacing its own. A new width keeps the preset's width per
 * head and MLP ratio, and makes the decoder half as wide, unless those are given too. With `from`: the sizes of that
 * checkpoint, which may only be given other frames and another resolution; its positions are interpolated then, so that
 * what it has learned about positions stays true.
 *
 * @param source configuration of the checkpoint named by `from`, null where there is none
 * @throws VideoMaeError `INVALID_ARGUMENT` for sizes that do not fit, `CONFIGURATION_INVALID` for sizes together with `from`
 */
export function modelConfiguration(section: ModelSection, source: ModelConfiguration | null): ModelConfiguration {
  const normalizeTargets = section.target === 'normalized'
  if (source !== null) return continued(section, source, normalizeTargets)
  const base = presetConfiguration(section.preset ?? 'small')
  const common = {
    imageSize: section.resolution ?? 224,
    frames: section.frames ?? 16,
    patch: section.patch ?? base.patch,
    tubelet: section.tubelet ?? base.tubelet,
    normalizeTargets,
    positions: section.positions ?? 'flattened',
  }
  const encoder = resized(base.encoder, section)
  // What half the encoder comes to; the preset's own decoder where its encoder kept its width.
  const decoder =
    encoder.width === base.encoder.width
      ? base.decoder
      : { ...resolveConfiguration({ ...common, encoder }).decoder, depth: base.decoder.depth }
  return resolveConfiguration({ ...common, encoder, decoder: resized(decoder, section.decoder) })
}

interface Sizes {
  readonly width: number | null
  readonly depth: number | null
  readonly heads: number | null
}

function resized(base: TransformerSize, sizes: Sizes): TransformerOptions {
  const width = sizes.width ?? base.width
  const perHead = base.width / base.heads
  const heads = sizes.heads ?? (width % perHead === 0 ? width / perHead : base.heads)
  const mlpWidth = Math.round((base.mlpWidth / base.width) * width)
  return { width, depth: sizes.depth ?? base.depth, heads, mlpWidth }
}

/** The same part of a picture at another resolution. */
function scaledResize(
  resize: Resize,
  { imageSize }: ModelConfiguration,
  resolution: ModelSection['resolution'],
): Resize {
  if (resolution === null) return resize
  const [height, width] = typeof resolution === 'number' ? [resolution, resolution] : resolution
  if ('height' in resize) {
    return {
      height: Math.max(height, Math.round((resize.height * height) / imageSize[0])),
      width: Math.max(width, Math.round((resize.width * width) / imageSize[1])),
    }
  }
  return { shortEdge: Math.round((resize.shortEdge * Math.min(height, width)) / Math.min(...imageSize)) }
}

function continued(section: ModelSection, source: ModelConfiguration, normalizeTargets: boolean): ModelConfiguration {
  const { preset, patch, tubelet, width, depth, heads, decoder, positions } = section
  const sizes = {
    preset,
    patch,
    tubelet,
    width,
    depth,
    heads,
    'decoder.width': decoder.width,
    'decoder.depth': decoder.depth,
    'decoder.heads': decoder.heads,
    positions,
  }
  const given = Object.entries(sizes).filter(([, value]) => value !== null)
  if (given.length > 0) {
    const keys = given.map(([key]) => `model.${key}`).join(', ')
    throw new VideoMaeError(`Expected no model sizes with model.from, which has its own sizes, but received ${keys}.`, {
      code: 'CONFIGURATION_INVALID',
      exit: 'usage',
      hint: 'Only model.frames, model.resolution and model.target can differ from the checkpoint.',
    })
  }
  const resolution = section.resolution
  const resolved = resolveConfiguration({
    ...source,
    imageSize: resolution === null ? source.imageSize : resolution,
    resize: source.resize && scaledResize(source.resize, source, resolution),
    frames: section.frames ?? source.frames,
    normalizeTargets,
  })
  const before = tokenGrid(source)
  const after = tokenGrid(resolved)
  const same = before.t === after.t && before.h === after.h && before.w === after.w
  return same ? resolved : { ...resolved, positionGrid: source.positionGrid ?? before }
}
