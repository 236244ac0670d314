/**
 * Decoding processes that the jobs of a test file hand on to each other, and to those of other files in the same worker. To start one
 * takes half a second of processor time, as much as a whole job on small clips. They end with the worker. For tests of jobs; those of
 * the processes themselves start their own.
 */
import { IdleProcesses } from '../../src/video/idle-processes.ts'

export const decoding = new IdleProcesses()
