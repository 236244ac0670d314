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
  printFindings([...found, ...(options.measure === true ? await measured() : [])], options)
}

/** With `--json` one document holds the findings and, where a needed part is missing, the error. */
export function printFindings(findings: readonly Finding[], { json = false }: CommonOptions): void {
  const broken = findings.filter(({ ok, optional }) => !ok && !optional)
  const error =
    broken.length === 0
      ? null
      : new VideoMaeError(`Needed but not usable: ${broken.map(({ part }) => part).join(', ')}.`, {
          code: 'DOCTOR_FAILED',
          exit: 'environment',
          hint: 'Each missing part has instructions for installing it.',
        })
  if (json) {
    process.stdout.write(`${JSON.stringify({ findings, ...(error === null ? {} : errorDocument(error)) }, null, 2)}\n`)
    if (error !== null) process.exitCode = exitCodes[error.exit]
    return
  }
  const width = Math.max(...findings.map(({ part }) => part.length))
  for (const { part, ok, optional, detail } of findings) {
    const mark = ok ? 'ok     ' : optional ? 'absent ' : 'MISSING'
    process.stdout.write(`${mark}  ${part.padEnd(width)}  ${detail}\n`)
  }
  if (error !== null) throw error
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

/** A small step on every engine that runs here, except the reference, which is for checks only. */
async function measured(): Promise<Finding[]> {
  const { fastest, measureEngines, smallStep } = await import('../train/measure-engines.ts')
  const candidates: EngineCandidate[] = []
  for (const name of engineNames.filter((each) => each !== 'reference')) {
    const engine = await engineNamed(name)
    if (!(await engine.probe()).available) continue
    for (const precision of precisionsOf(name)) candidates.push({ engine, precision })
  }
  const step = smallStep()
  const interrupt = interruptSignal('Run the same command again.')
  try {
    const times = await measureEngines(candidates, step, { signal: interrupt.signal })
    return measurements(times, step.clips, fastest)
  } finally {
    interrupt.dispose()
  }
}

/** What was measured, and what to use. */
export function measurements(
  times: readonly EngineTime[],
  clips: number,
  fastest: (times: readonly EngineTime[]) => EngineTime | null,
): Finding[] {
  const findings = times.map(({ engine, precision, milliseconds, failure }): Finding => {
    const detail =
      milliseconds === null
        ? `failed: ${failure}`
        : `${milliseconds.toFixed(0)} ms for ${clips} clips, ${((1000 * clips) / milliseconds).toFixed(1)} clips/s`
    return { part: `step ${engine.name} ${precision}`, ok: milliseconds !== null, optional: true, detail }
  })
  const best = fastest(times)
  const detail =
    best === null
      ? 'no engine finished a step'
      : `${best.engine.name} in ${best.precision}: --engine ${best.engine.name} --set engine.precision=${best.precision}`
  return [...findings, { part: 'fastest', ok: best !== null, optional: true, detail }]
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
