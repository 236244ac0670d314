/**
 * The recipes that start ranks without MPI, with programs in place of Slurm's and of Ray. Oracle: what `meetingPlace` reads from the variables that
 * each rank gets.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/create-program.ts'
import {
  launched,
  type MeetingPoint,
  meetingPoint,
  rankOnHost,
  type Variables,
} from '../../src/distributed/launched.ts'
import { recipeFile } from '../../src/train/recipes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-torchrun-examples-')
const example = (name: string): string => path.resolve(import.meta.dirname, '../../examples/cluster', name)
const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0

function program(file: string, text: string): void {
  writeFileSync(file, `#!/bin/bash\n${text}\n`)
  chmodSync(file, 0o755)
}

/** A folder with a `videomae` that writes down the arguments and the variables of each rank. */
function location(name: string): { readonly at: string; readonly env: NodeJS.ProcessEnv; readonly log: string } {
  const [at, log] = [path.join(folder, name), path.join(folder, name, 'ranks')]
  mkdirSync(log, { recursive: true })
  program(path.join(at, 'videomae'), `echo "$@" > ${log}/$RANK.command; env > ${log}/$RANK.env; exit "\${CODE:-0}"`)
  return { at, log, env: { ...process.env, PATH: `${at}${path.delimiter}${process.env.PATH}` } }
}

interface SeenRank extends MeetingPoint {
  readonly local: number
  readonly command: string
}

function ranksIn(log: string): SeenRank[] {
  const files = readdirSync(log).filter((name) => name.endsWith('.env'))
  return files
    .map((name) => {
      const lines = readFileSync(path.join(log, name), 'utf8').split('\n')
      const variables: Variables = Object.fromEntries(
        lines.map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]),
      )
      expect(launched(variables)).toMatchObject({ launcher: 'torchrun' })
      const command = readFileSync(path.join(log, name.replace('.env', '.command')), 'utf8').trim()
      return { ...meetingPoint(variables), local: rankOnHost(variables), command }
    })
    .sort((a, b) => a.rank - b.rank)
}

function expectCommand(command: string): void {
  expect(command).toMatch(/^pretrain .* --engine cuda --resume$/)
  const pretrain = createProgram().commands.find((each) => each.name() === 'pretrain')
  for (const [option] of command.matchAll(/--\w+/g)) expect(pretrain?.options.map(({ long }) => long)).toContain(option)
  expect(readFileSync(recipeFile(/--recipe (\S+)/.exec(command)?.[1] ?? ''), 'utf8')).toContain('batch')
}

test.skipIf(!has('bash'))(
  'the batch file for Slurm starts a rank for every task, and all meet on the first node',
  () => {
    const { at, env, log } = location('slurm')
    // Two tasks of a step, as srun starts them.
    const task = 'SLURM_PROCID=$i SLURM_LOCALID=$i SLURM_NTASKS=2 SLURM_STEP_NUM_TASKS=2'
    program(
      path.join(at, 'srun'),
      `while [[ $1 == --* ]]; do shift; done; code=0; for i in 0 1; do ${task} "$@" || code=$?; done; exit $code`,
    )
    program(path.join(at, 'scontrol'), `echo "$@" >> ${at}/asked; [[ $1 != show ]] || printf 'node7\\nnode8\\n'`)
    const job = { ...env, SLURM_JOB_ID: '41234', SLURM_JOB_NODELIST: 'node[7-8]', CODE: '130' }
    const { status, stderr } = spawnSync('bash', [example('pretrain-nccl.sbatch'), 'my videos', 'run'], {
      env: job,
      encoding: 'utf8',
    })
    expect(status, stderr).toBe(0)
    expect(readFileSync(path.join(at, 'asked'), 'utf8')).toBe('show hostnames node[7-8]\nrequeue 41234\n')
    const ranks = ranksIn(log)
    const common = { size: 2, host: 'node7', port: 21234 }
    expect(ranks).toMatchObject([
      { rank: 0, local: 0, ...common },
      { rank: 1, local: 1, ...common },
    ])
    for (const { command } of ranks) expectCommand(command)
  },
)

test.skipIf(!has('python3'))('the recipe for Ray starts a rank for every GPU, and ends as they do', () => {
  const { at, env, log } = location('ray')
  // As much of Ray as the recipe uses: actors that run when their results are asked for.
  writeFileSync(
    path.join(at, 'ray.py'),
    `
import functools
def init(): pass
def get(calls): return [call() for call in calls] if isinstance(calls, list) else calls()
class Method:
    def __init__(self, call): self.call = call
    def remote(self, *values): return functools.partial(self.call, *values)
def remote(num_gpus):
    assert num_gpus == 1
    def wrap(kind):
        class Handle:
            def __init__(self): self.actor = kind()
            def __getattr__(self, name): return Method(getattr(self.actor, name))
        class Made:
            remote = staticmethod(Handle)
        return Made
    return wrap
`,
  )
  const args = ['3', 'pretrain', '/data/videos', '--recipe', 'k400-s', '--out', 'a', '--engine', 'cuda', '--resume']
  const { status, stderr } = spawnSync('python3', [example('ray_ranks.py'), ...args], {
    env: { ...env, PYTHONPATH: at, PYTHONDONTWRITEBYTECODE: '1', CODE: '5' },
    encoding: 'utf8',
  })
  expect(status, stderr).toBe(5)
  const ranks = ranksIn(log)
  const [{ host, port }] = ranks
  expect(ranks).toMatchObject([0, 1, 2].map((rank) => ({ rank, size: 3, local: 0, host, port })))
  for (const { command } of ranks) expectCommand(command)
})
