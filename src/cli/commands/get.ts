import { optionalArgument } from '../options/option.ts'
import { outputOptions } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const get = defineCommand({
  name: 'get',
  summary: 'download published weights',
  description:
    'Downloads the safetensors files of weights from a model hub into a folder, and checks their digests. Without ' +
    'a name, it lists the known weights. Run the same command again to continue after Ctrl-C or a lost connection.',
  arguments: {
    name: optionalArgument(
      'a name of the list, or OWNER/NAME as on huggingface.co; with @REVISION for a branch or a commit',
    ),
    folder: optionalArgument('folder of the weights'),
  },
  options: outputOptions,
  examples: ['get', 'get videomae-base videomae-base', 'get OWNER/NAME@REVISION weights'],
})

export type GetCommandOptions = OptionsOf<typeof get>
