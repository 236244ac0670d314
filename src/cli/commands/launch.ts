import { count, mandatory, severalArguments, text, withDefault } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const launch = defineCommand({
  name: 'launch',
  summary: 'train, evaluate or predict with several processes on this machine',
  description:
    'Starts a command on several ranks of this machine, with MPI, or with NCCL alone if each rank has a GPU. Gradients are ' +
    'averaged over the ranks, so each step is the same as in one process. For several machines use the launcher of the cluster ' +
    '(mpirun, srun): see docs/cluster.md.',
  arguments: {
    command: severalArguments(
      'after --: pretrain, finetune, evaluate, predict, features or certify, with its arguments',
    ),
  },
  options: {
    ranks: mandatory(count('ranks', 'number of processes')),
    mpirun: text(
      'program',
      'MPI program that starts the ranks; none: NCCL alone; default: the first of mpirun, mpiexec on PATH',
    ),
    restarts: withDefault(
      count(
        'restarts',
        '[pretrain, finetune] how many times to restart with --resume after a rank died or the machine failed',
        { least: 0 },
      ),
      0,
    ),
    ...jsonOption,
  },
  examples: [
    'launch --ranks 2 -- pretrain videos --recipe laptop-pretrain',
    'launch --ranks 8 --restarts 3 -- pretrain videos --engine cuda',
  ],
})

export type LaunchCommandOptions = OptionsOf<typeof launch>
