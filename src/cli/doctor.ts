import { readFileSync } from 'node:fs'
import os from 'node:os'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { nodeProblem, oldestNode } from '../core/node-version.ts'
import { findMpiLibraries, findMpiPrograms } from '../distributed/find-mpi.ts'
import { automaticCandidates, namedByVariable } from '../engine/automatic.ts'
import { engineNamed, engineNames } from '../engine/index.ts'
import { checkProviders } from '../engine/onnx/providers.ts'
import { precisionsOf } from '../engine/precision.ts'
import type { EngineCandidate, EngineTime } from '../train/measure-engines.ts'
import type { DoctorCommandOptions } from './commands/doctor.ts'
import { interruptSignal } from './interrupt.ts'
import { type CommonOptions, errorDocument } from './run.ts'

export interface Finding {
  readonly part: string
  readonly ok: boolean
  /** Whether training works without it. */
  readonly optional: boolean
  readonly detail: string
}

/** `videomae doctor`: what this machine has, what is missing and how to get it. Ends with 4, `DOCTOR_FAILED`, when a needed part is missing. */
export async function doctorCommand(options: DoctorCommandOptions): Promise<void> {
  const found = [
    ...machine(),
    ...(await engines()),
    ...(await providers()),
    ...(await decoders()),
    await mpi(),
    await nccl(),
  ]
  if (options.measure !== true) return printFindings(found, options)
  const candidates = await candidatesOf(found)
  if (options.json === true) return printFindings([...found, ...(await measured(candidates))], options)
  // What is there comes at once: the steps may take minutes.
  const width = widthOf([...found.map(({ part }) => part), ...candidates.map(stepName)])
  printLines(found, width)
  await measured(candidates, (finding) => printLines([finding], width))
  const error = missingError(found)
  if (error !== null) throw error
}

/** With `--json` one document holds the findings and, where a needed part is missing, the error. */
export function printFindings(findings: readonly Finding[], { json = false }: CommonOptions): void {
  const error = missingError(findings)
  if (json) {
    process.stdout.write(`${JSON.stringify({ findings, ...(error === null ? {} : errorDocument(error)) }, null, 2)}\n`)
    if (error !== null) process.exitCode = exitCodes[error.exit]
    return
  }
  printLines(findings, widthOf(findings.map(({ part }) => part)))
  if (error !== null) throw error
}

const widthOf = (parts: readonly string[]): number => Math.max(...parts.map((part) => part.length))

function printLines(findings: readonly Finding[], width: number): void {
  for (const { part, ok, optional, detail } of findings) {
    const mark = ok ? 'ok     ' : optional ? 'absent ' : 'MISSING'
    process.stdout.write(`${mark}  ${part.padEnd(width)}  ${detail}\n`)
  }
}

/** The error with which the command ends where a needed part is missing. */
function missingError(findings: readonly Finding[]): VideoMaeError | null {
  const broken = findings.filter(({ ok, optional }) => !ok && !optional)
  if (broken.length === 0) return null
  return new VideoMaeError(`Needed but not usable: ${broken.map(({ part }) => part).join(', ')}.`, {
    code: 'DOCTOR_FAILED',
    exit: 'environment',
    hint: 'Each missing part has instructions for installing it.',
  })
}

function machine(): Finding[] {
  const cpu = os.cpus()[0]?.model.trim() ?? 'unknown processor'
  const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`
  return [
    {
      part: 'node',
      ok: nodeProblem(process.versions.node) === null,
      optional: false,
      detail: `${process.version} (${oldestNode} or later is needed)`,
    },
    {
      part: 'machine',
      ok: true,
      optional: false,
      detail: `${os.platform()} ${os.arch()}, ${os.availableParallelism()} cores, ${cpu}`,
    },
    {
      part: 'memory',
      ok: availableMemory() > 2 ** 30,
      optional: false,
      detail: `${gigabytes(availableMemory())} of ${gigabytes(os.totalmem())} available`,
    },
  ]
}

/** Bytes that programs can still get; `os.freemem` leaves out what the page cache would give back. */
function availableMemory(): number {
  try {
    const line = /^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))
    if (line !== null) return Number(line[1]) * 1024
  } catch {
    // Not Linux.
  }
  return os.freemem()
}

async function engines(): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const name of engineNames) {
    const engine = await engineNamed(name)
    const { available, detail } = await engine.probe()
    findings.push({ part: `engine ${name}`, ok: available, optional: name !== 'onnx', detail })
  }
  const runs = (name: string): boolean => findings.some(({ part, ok }) => part === `engine ${name}` && ok)
  findings.push({ part: 'engine auto', optional: true, ...automaticEngineOf(runs) })
  return findings
}

/** What `auto` stands for; a variable that names no engine is told in the line, and the other lines are still there. */
function automaticEngineOf(runs: (name: string) => boolean): Pick<Finding, 'ok' | 'detail'> {
  try {
    const chosen = namedByVariable() ?? automaticCandidates().find(runs) ?? 'none'
    return { ok: chosen !== 'none', detail: `${chosen}, if you name none` }
  } catch (error) {
    return { ok: false, detail: (error as Error).message }
  }
}

/** The engines that run here, in each of their precisions. The reference is for checks only. */
async function candidatesOf(found: readonly Finding[]): Promise<EngineCandidate[]> {
  const names = engineNames.filter((name) => found.some(({ part, ok }) => ok && part === `engine ${name}`))
  const candidates: EngineCandidate[] = []
  for (const name of names.filter((each) => each !== 'reference')) {
    const engine = await engineNamed(name)
    for (const precision of precisionsOf(name)) candidates.push({ engine, precision })
  }
  return candidates
}

const stepName = ({ engine, precision }: EngineCandidate): string => `step ${engine.name} ${precision}`

/** A small step on every candidate. `onFinding` is told of each when it is there. */
async function measured(
  candidates: readonly EngineCandidate[],
  onFinding: (finding: Finding) => void = () => {},
): Promise<Finding[]> {
  const { fastest, smallStep } = await import('../train/measure-engines.ts')
  const { measureApart } = await import('../train/measure-apart.ts')
  const { clips } = smallStep()
  const interrupt = interruptSignal('Run the same command again.')
  try {
    const times: EngineTime[] = []
    for (const [i, candidate] of candidates.entries()) {
      process.stderr.write(`timing ${stepName(candidate)} (${i + 1} of ${candidates.length})\n`)
      const time = await measureApart(candidate, interrupt.signal)
      times.push(time)
      onFinding(stepFinding(time, clips))
    }
    const best = fastestFinding(fastest(times))
    onFinding(best)
    return [...times.map((time) => stepFinding(time, clips)), best]
  } finally {
    interrupt.dispose()
  }
}

/** One step that was measured. */
export function stepFinding(time: EngineTime, clips: number): Finding {
  const { milliseconds, failure } = time
  const detail =
    milliseconds === null
      ? `failed: ${failure}`
      : `${milliseconds.toFixed(0)} ms for ${clips} clips, ${((1000 * clips) / milliseconds).toFixed(1)} clips/s`
  return { part: stepName(time), ok: milliseconds !== null, optional: true, detail }
}

/** What to use; null where no engine has finished a step. */
export function fastestFinding(best: EngineTime | null): Finding {
  const detail =
    best === null
      ? 'no engine finished a step'
      : `${best.engine.name} in ${best.precision}: --engine ${best.engine.name} --set engine.precision=${best.precision}`
  return { part: 'fastest', ok: best !== null, optional: true, detail }
}

/** Execution providers that the build of ONNX Runtime has: those that open here, and those whose libraries or device are missing. */
async function providers(): Promise<Finding[]> {
  const checked = await checkProviders().catch(() => []) // the finding on the engine says why there are none
  const named = (usable: boolean): string =>
    checked
      .filter((provider) => provider.usable === usable)
      .map(({ name }) => name)
      .join(', ')
  const absent = named(false)
  if (checked.length === 0) return []
  const missing = absent === '' ? '' : `; ${absent}: built in, but the libraries or the device are missing`
  return [{ part: 'onnx providers', ok: true, optional: true, detail: `${named(true)}${missing}` }]
}

async function decoders(): Promise<Finding[]> {
  const { probeDecoders } = await import('../video/decoder.ts')
  const probes = await probeDecoders()
  const present = probes.some(({ available }) => available)
  return probes.map(({ name, available, detail }) => ({
    part: `decoder ${name}`,
    ok: available,
    optional: present,
    detail,
  }))
}

/** What trains on several ranks: a library, and a program that starts them. */
async function mpi(): Promise<Finding> {
  const [libraries, programs] = await Promise.all([findMpiLibraries(), findMpiPrograms()])
  const detail =
    libraries.length === 0
      ? 'for training on several processes or machines: install openmpi-bin or mpich (Debian, Ubuntu), or load the module of the cluster'
      : `${libraries.map(({ version, name }) => `${version} (${name})`).join(', ')}; started by ${programs.map(({ path }) => path).join(', ') || 'srun alone: no mpirun is on PATH'}`
  return { part: 'mpi', ok: libraries.length > 0, optional: true, detail }
}

/** What sums gradients between GPUs. */
async function nccl(): Promise<Finding> {
  const { findNccl } = await import('../engine/cuda/driver/find.ts')
  const { NcclLibrary } = await import('../distributed/nccl/nccl-library.ts')
  const found = findNccl()
  if (found === null)
    return {
      part: 'nccl',
      ok: false,
      optional: true,
      detail: 'for training on several GPUs: install libnccl2 (Debian, Ubuntu), or pip install nvidia-nccl-cu13',
    }
  try {
    const { version } = new NcclLibrary(found.path)
    return { part: 'nccl', ok: true, optional: true, detail: `NCCL ${version} (${found.path}, ${found.source})` }
  } catch (error) {
    return { part: 'nccl', ok: false, optional: true, detail: (error as Error).message }
  }
}
