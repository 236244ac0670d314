/** The batch file for Slurm, with programs in place of Slurm's that write down what they are asked for. */
import { spawnSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createProgram } from '../../src/cli/create-program.ts'
import { recipeFile } from '../../src/train/recipes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'

const folder = folderForTests('videomae-slurm-')
const script = path.resolve(import.meta.dirname, '../../examples/cluster/pretrain.sbatch')
const bash = spawnSync('bash', ['--version']).status === 0

/** Runs the batch file; srun ends with the code. */
function submit(code: number, ...args: readonly string[]) {
  const log = path.join(folder, 'log')
  writeFileSync(log, '')
  for (const name of ['srun', 'scontrol']) {
    const file = path.join(folder, name)
    const end = name === 'srun' ? code : 0
    writeFileSync(file, `#!/bin/bash\necho ${name} "$@" >> ${log}\nexit ${end}\n`)
    chmodSync(file, 0o755)
  }
  const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env.PATH}`, SLURM_JOB_ID: '17' }
  const { status } = spawnSync('bash', [script, ...args], { env })
  return { status, asked: readFileSync(log, 'utf8').trimEnd().split('\n') }
}

test.skipIf(!bash)('starts one command on all nodes, and asks to continue where the run was saved', () => {
  const saved = submit(130, 'my videos', 'run')
  expect(saved.status).toBe(0)
  expect(saved.asked[1]).toBe('scontrol requeue 17')
  // npx would end at the signal that srun passes on, before the ranks have saved.
  const [launcher, command] = saved.asked[0].split(' videomae ')
  expect(launcher).toMatch(/^srun( --\S+)+$/)
  expect(command).toMatch(/^pretrain my videos --recipe \S+ --out run --resume$/)
  const pretrain = createProgram().commands.find((each) => each.name() === 'pretrain')
  for (const [option] of command.matchAll(/--\w+/g)) expect(pretrain?.options.map(({ long }) => long)).toContain(option)
  expect(readFileSync(recipeFile(/--recipe (\S+)/.exec(command)?.[1] ?? ''), 'utf8')).toContain('batch')
})

test.skipIf(!bash)('ends as the run does, and not without its arguments', () => {
  expect(submit(0, 'videos', 'run')).toMatchObject({ status: 0, asked: [expect.stringContaining('srun')] })
  expect(submit(3, 'videos', 'run')).toMatchObject({ status: 3, asked: [expect.stringContaining('srun')] })
  expect(submit(0, 'videos')).toMatchObject({ status: 1, asked: [''] })
})
