/** Entry of a process that times a small step on one engine in one precision, and prints the result as JSON (`StepTime`). */
import { engineNamed } from '../engine/index.ts'
import { precisionsOf } from '../engine/precision.ts'
import { measureEngines, smallStep } from './measure-engines.ts'

const [, , name, wanted] = process.argv
const engine = await engineNamed(name)
const precision = precisionsOf(name).find((each) => each === wanted) ?? 'float32'
const [{ milliseconds, failure }] = await measureEngines([{ engine, precision }], smallStep())
process.stdout.write(JSON.stringify({ milliseconds, failure }))
// Not through the teardown of drivers.
process.exit(0)
