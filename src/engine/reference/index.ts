import { VideoMaeError } from '../../core/errors.ts'
import { requireThreads } from '../check.ts'
import type { Engine } from '../engine.ts'
import { unknownOperations } from './evaluate.ts'
import { ReferenceSession } from './session.ts'

/**
 * Plain TypeScript in float64, one loop per index: the oracle that every other engine is compared with. It is slow
 * (some hundred million multiplications a second), ignores `threads`, `device` and `precision`, and blocks the event
 * loop while it runs.
 */
export const referenceEngine: Engine = {
  name: 'reference',

  async probe() {
    return { available: true, detail: `float64 in JavaScript (Node ${process.versions.node})` }
  },

  async requireOptions({ threads }) {
    requireThreads(threads)
  },

  async open(programs, { ranks, threads } = {}) {
    requireThreads(threads)
    for (const program of programs) {
      const unknown = unknownOperations(program)
      if (unknown.length > 0) {
        throw new VideoMaeError(
          `The program ${program.name} uses operations that do not exist: ${unknown.join(', ')}.`,
          {
            code: 'PROGRAM_UNSUPPORTED',
          },
        )
      }
    }
    return new ReferenceSession(programs, ranks)
  },
}
