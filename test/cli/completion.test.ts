/** Completion in shells, and the examples of the help: both follow from the definitions of the commands. */
import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { shells } from '../../src/cli/commands/completion.ts'
import { completionScript } from '../../src/cli/completion.ts'
import { createProgram } from '../../src/cli/create-program.ts'

const program = createProgram()
const { commands } = program
const found = (shell: string): boolean => spawnSync(shell, ['--version']).error === undefined

describe('completion', () => {
  test.each(shells)('in %s has every command, option and choice', (shell) => {
    const script = completionScript(program, shell)
    expect(script).toContain(`videomae completion ${shell}`)
    for (const command of commands) {
      expect(script).toContain(command.name())
      for (const { long, argChoices } of command.options) {
        expect(script).toContain(shell === 'fish' ? `-l ${long?.slice(2)} ` : long)
        if (argChoices !== undefined) expect(script).toContain(argChoices.join(' '))
      }
    }
  })

  test.skipIf(!found('bash'))('in bash proposes commands, options, and values where these are known', () => {
    const lines = [
      'pre',
      'predict --th',
      'predict a.mp4 --decoder n',
      'completion z',
      'export run --precision int8-',
      'predict --from x',
    ]
    const cases = lines.map((line) => {
      const words = ['videomae', ...line.split(' ')]
      return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _videomae; echo "\${COMPREPLY[*]}"`
    })
    const input = [completionScript(program, 'bash'), ...cases].join('\n')
    const { stdout, stderr, status } = spawnSync('bash', ['--norc'], { input, encoding: 'utf8' })
    expect([stderr, status]).toEqual(['', 0])
    expect(stdout.split('\n').slice(0, -1)).toEqual([
      'prepare pretrain predict',
      '--threshold --threads',
      'node-av',
      'zsh',
      'int8-dynamic int8-static',
      '', // a path: the shell completes it
    ])
  })

  for (const shell of ['zsh', 'fish'] as const) {
    const missing = found(shell) ? '' : ` (${shell} is not there)`
    test.skipIf(missing !== '')(`in ${shell} is a script that it can read${missing}`, () => {
      const input = completionScript(program, shell)
      const { stderr, status } = spawnSync(shell, ['-n'], { input, encoding: 'utf8' })
      expect([stderr, status]).toEqual(['', 0])
    })
  }
})

describe('the help of a command', () => {
  test.each(commands.map((command) => [command.name(), command] as const))('%s ends with examples', (name, command) => {
    let text = ''
    command.configureOutput({ writeOut: (part) => (text += part) })
    command.outputHelp()
    const examples = [...text.slice(text.indexOf('\nExample')).matchAll(/^ {2}videomae (.*)$/gm)].map(
      ([, line]) => line,
    )
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) {
      expect(example.split(' ')[0]).toBe(name)
      // Behind -- is another command.
      for (const [, option] of example.split(' -- ')[0].matchAll(/ (--[\w-]+)/g))
        expect(
          command.options.map(({ long }) => long),
          example,
        ).toContain(option)
    }
  })
})
