import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, platform } from 'node:os'
import { invalidArgument } from '../../../core/errors.ts'

/** What a processor can do, as far as the kernels make a difference of it; one library for each. */
export const levels = ['avx512bf16', 'avx512', 'avx2', 'neon'] as const
export type Level = (typeof levels)[number]

const avx2Options = ['-mavx2', '-mfma', '-mbmi2']
const avx512Options = [...avx2Options, '-mavx512f', '-mavx512bw', '-mavx512dq', '-mavx512vl']
const wide = '-mprefer-vector-width=512'

/** Compiler options of a level. */
export const levelOptions: Readonly<Record<Level, readonly string[]>> = {
  avx512bf16: [...avx512Options, '-mavx512bf16', wide],
  avx512: [...avx512Options, wide],
  avx2: avx2Options,
  neon: [],
}

/** Names in /proc/cpuinfo, where Linux lists only what it saves the registers of. */
const requiredFlags: Readonly<Record<Exclude<Level, 'neon'>, readonly string[]>> = {
  avx2: ['avx2', 'fma', 'bmi2'],
  avx512: ['avx2', 'fma', 'bmi2', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl'],
  avx512bf16: ['avx2', 'fma', 'bmi2', 'avx512f', 'avx512bw', 'avx512dq', 'avx512vl', 'avx512_bf16'],
}

/** Levels that this processor offers, the best one first; none where the engine has no kernels for it. */
export function processorLevels(): readonly Level[] {
  if (arch() === 'arm64') return ['neon']
  if (arch() !== 'x64') return []
  const flags = processorFlags()
  return (['avx512bf16', 'avx512', 'avx2'] as const).filter((level) =>
    requiredFlags[level].every((flag) => flags.has(flag)),
  )
}

function processorFlags(): ReadonlySet<string> {
  try {
    if (platform() === 'darwin') {
      const names = execFileSync('sysctl', ['-n', 'machdep.cpu.features', 'machdep.cpu.leaf7_features'], {
        encoding: 'utf8',
      })
      return new Set(names.toLowerCase().split(/\s+/))
    }
    return new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1].split(/\s+/))
  } catch {
    return new Set()
  }
}

/**
 * The level to use here: the best one, or the lower one that `VIDEOMAE_NATIVE_LEVEL` names. Null where there is none.
 *
 * @throws VideoMaeError `INVALID_ARGUMENT` for a level that the processor does not have
 */
export function chooseLevel(available: readonly Level[] = processorLevels()): Level | null {
  const wanted = process.env.VIDEOMAE_NATIVE_LEVEL
  if (wanted === undefined || wanted === '') return available[0] ?? null
  const found = available.find((level) => level === wanted)
  if (found === undefined) {
    throw invalidArgument('VIDEOMAE_NATIVE_LEVEL', available.join(', ') || 'no value on this processor', wanted)
  }
  return found
}
