import { choiceArgument } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

/** Shells that completion knows. */
export const shells = ['bash', 'zsh', 'fish'] as const

export const completion = defineCommand({
  name: 'completion',
  summary: 'print a script that completes commands, options and values in a shell',
  description:
    'Prints a script for the shell, made from the commands of this version. Its first lines say how to install it.',
  arguments: { shell: choiceArgument('the shell', shells) },
  options: jsonOption,
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/videomae',
    'completion zsh',
    'completion fish',
  ],
})

export type CompletionCommandOptions = OptionsOf<typeof completion>
