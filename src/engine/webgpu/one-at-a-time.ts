/**
 * Sessions that take turns. ONNX Runtime has one WebGPU device for all sessions of a process and records the commands of all of them in
 * one encoder: calls from two threads at once end the process ("CommandEncoder is already finished").
 */
import { Turns } from '../../core/turns.ts'
import type { Engine, EngineSession } from '../engine.ts'
import { ExclusiveUse } from '../exclusive.ts'

/** Calls of all sessions of the engine, also of sessions in different threads, run one after another. */
export function oneAtATime(engine: Engine): Engine {
  const turns = new Turns()
  return {
    ...engine,
    open: (programs, options) => turns.run(async () => inTurn(await engine.open(programs, options), turns)),
  }
}

/** Inputs announced by `prefetch` stay with the thread of the session: they need no turn. */
function inTurn(session: EngineSession, turns: Turns): EngineSession {
  const { prefetch, cancel } = session
  // A second call of one session is refused, as by every engine. It does not wait for its turn.
  const use = new ExclusiveUse(`The ${session.engine} session`)
  const call = <T>(work: () => Promise<T>): Promise<T> => use.run(() => turns.run(work))
  return {
    engine: session.engine,
    variant: session.variant,
    run: (program, inputs) => call(() => session.run(program, inputs)),
    readState: (names) => call(() => session.readState(names)),
    writeState: (values) => call(() => session.writeState(values)),
    memory: () => call(() => session.memory()),
    close: () => use.close(() => turns.run(() => session.close())),
    ...(prefetch === undefined ? {} : { prefetch: (program, inputs) => prefetch.call(session, program, inputs) }),
    ...(cancel === undefined ? {} : { cancel: () => cancel.call(session) }),
  }
}
