import { encodeDefaults } from '../../video/encode-defaults.ts'
import { positive, rateFactor } from '../arguments.ts'
import { argument, count, flag, number, text, withDefault } from '../options/option.ts'
import { baseOption, outputOptions } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const prepare = defineCommand({
  name: 'prepare',
  summary: 'encode videos once, so that training decodes them faster',
  description:
    'Scales videos down and encodes them as H.264 in short closed groups of pictures without sound. Writes a list of them with ' +
    'labels, parts, splits and groups of the source, and SHA-256 digests of the originals. Run the same command again to continue ' +
    'after Ctrl-C or a crash, or when the source has grown.',
  arguments: { source: argument('a folder, a list or a video'), out: argument('folder of the prepared videos') },
  options: {
    ...baseOption,
    size: withDefault(
      count('pictureSide', 'shorter side in pixels; smaller pictures keep their size', { shown: 'pixels' }),
      encodeDefaults.size,
    ),
    group: withDefault(
      count('pictureGroup', 'frames per group of pictures (GOP); 1: fastest to decode, largest files', {
        shown: 'frames',
      }),
      encodeDefaults.group,
    ),
    quality: withDefault(
      number('crf', 'constant rate factor of x264, from 0 (lossless) to 51', rateFactor),
      encodeDefaults.quality,
    ),
    fps: number('rate', 'constant frame rate; default: all frames, at their original times', positive),
    jobs: count('workers', 'videos encoded at a time; default: one per core'),
    shard: text('i/n', 'prepare the i-th of n shares, e.g. one on each machine'),
    timeout: withDefault(
      number('seconds', 'CPU seconds after which a video counts as unusable', positive),
      encodeDefaults.timeoutSeconds,
    ),
    dryRun: flag('measure time, size and gain on a few videos, and write nothing'),
    ...outputOptions,
  },
  examples: ['prepare videos prepared --dry-run', 'prepare labels.csv prepared --size 256 --shard 1/4'],
})

export type PrepareCommandOptions = OptionsOf<typeof prepare>
