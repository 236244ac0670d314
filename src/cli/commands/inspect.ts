import { positive } from '../arguments.ts'
import { number, severalArguments, withDefault } from '../options/option.ts'
import { baseOption, decoderOption, jsonOption, workersOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const inspect = defineCommand({
  name: 'inspect',
  summary: 'show what is in a folder of videos, and which files cannot be used',
  description:
    'Lists the videos of folders (with their subfolders) and of lists (CSV, TSV, one path a line): codecs, sizes, frame ' +
    'rates, durations, how each line and column was read, and every file that cannot be used with the reason.',
  arguments: { sources: severalArguments('folders, lists or videos') },
  options: {
    ...baseOption,
    ...decoderOption,
    ...workersOption,
    timeout: withDefault(number('seconds', 'CPU seconds after which a file counts as unusable', positive), 60),
    ...jsonOption,
  },
  examples: ['inspect videos', 'inspect labels.csv --base /data/videos --json'],
})

export type InspectCommandOptions = OptionsOf<typeof inspect>
