import { flag } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'show what this machine has, what is missing and how to install it',
  description:
    'Lists the engines, decoders, GPUs and libraries that this machine has. Says what is missing and how to install it.',
  arguments: {},
  options: {
    measure: flag('time one small training step on every engine, and say which is the fastest'),
    ...jsonOption,
  },
  examples: ['doctor', 'doctor --json', 'doctor --measure'],
})

export type DoctorCommandOptions = OptionsOf<typeof doctor>
