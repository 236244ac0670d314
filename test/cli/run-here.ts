import { vi } from 'vitest'
import { createProgram } from '../../src/cli/commands.ts'

export interface Outcome {
  readonly code: number | string | undefined
  readonly document: { readonly error?: { readonly code: string; readonly message: string } }
}

/** Runs a command in this process, as `program.ts` does, with `--json`. `line` is separated by blanks; `more` may have some. */
export async function runHere(line: string, ...more: readonly string[]): Promise<Outcome> {
  const written: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0)
  const before = process.exitCode
  try {
    process.exitCode = 0
    await createProgram().parseAsync([...line.split(' '), ...more, '--json'], { from: 'user' })
    return { code: process.exitCode, document: JSON.parse(written.join('') || '{}') as Outcome['document'] }
  } finally {
    process.exitCode = before
    write.mockRestore()
  }
}
