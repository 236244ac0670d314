import { vi } from 'vitest'
import { createProgram } from '../../src/cli/create-program.ts'

export interface Outcome {
  readonly code: number | string | undefined
  readonly document: { readonly error?: { readonly code: string; readonly message: string } }
}

export interface TextOutcome {
  readonly code: number | string | undefined
  /** What went to stdout and stderr. */
  readonly text: string
}

/** Runs a command in this process, as `program.ts` does, with `--json`. `line` is separated by blanks; `more` may have some. */
export async function runHere(line: string, ...more: readonly string[]): Promise<Outcome> {
  const { code, stdout } = await run([...line.split(' '), ...more, '--json'])
  return { code, document: JSON.parse(stdout || '{}') as Outcome['document'] }
}

/** `runHere` without `--json`. */
export async function runAsText(line: string, ...more: readonly string[]): Promise<TextOutcome> {
  const { code, stdout, stderr } = await run([...line.split(' '), ...more])
  return { code, text: stdout + stderr }
}

async function run(args: readonly string[]) {
  const written = { stdout: '', stderr: '' }
  const mocks = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text)
      return true
    }),
  )
  const before = process.exitCode
  try {
    process.exitCode = 0
    await createProgram().parseAsync(args, { from: 'user' })
    return { code: process.exitCode, ...written }
  } finally {
    process.exitCode = before
    for (const mock of mocks) mock.mockRestore()
  }
}
