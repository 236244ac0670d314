import { frameSize } from '../../../model/configuration.ts'
import type { FeatureSource } from '../feature-source.ts'
import type { EnsembleEncoder } from './description.ts'

/** What the clip of a video looks like to the encoder of a source. */
export function clipFacts(source: FeatureSource): Pick<EnsembleEncoder, 'frames' | 'size' | 'sampling'> {
  if (source.kind === 'pixels') {
    const { frames, size, sampling } = source
    return { frames, size: { height: size, width: size }, sampling }
  }
  const { configuration, sampling } = source.source
  return { frames: configuration.frames, size: frameSize(configuration), sampling }
}
