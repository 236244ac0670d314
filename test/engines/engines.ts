import { describe } from 'vitest'
import type { Engine, EngineSession } from '../../src/engine/engine.ts'
import { engineNamed, listEngines } from '../../src/engine/index.ts'
import type { Program } from '../../src/graph/program.ts'

const listed = await listEngines()

/** Declares the tests of `body` for every engine; those of an engine that cannot run here are skipped, with the reason. */
export function describeEngines(title: string, body: (engine: () => Promise<Engine>, name: string) => void): void {
  for (const { name, available, detail } of listed) {
    describe.skipIf(!available)(`${title}: ${name} (${detail})`, () => body(() => engineNamed(name), name))
  }
}

/** Opens a session for the time of `use`. */
export async function withSession<T>(
  engine: Engine,
  programs: readonly Program[],
  use: (session: EngineSession) => Promise<T>,
): Promise<T> {
  const session = await engine.open(programs)
  try {
    return await use(session)
  } finally {
    await session.close()
  }
}
