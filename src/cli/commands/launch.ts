import { count, mandatory, severalArguments, text, withDefault } from '../options/option.ts'
import { jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const launch = defineCommand({
  name: 'launch',
  summary: 'train, evaluate or predict with several processes on this machine',
  description:
    'Starts a command on several ranks with the MPI of this machine, or, with a GPU for each, with NCCL alone: gradients are\n' +
    'averaged over the ranks, and the steps are those of one process. On several machines the launcher of the cluster does that (mpirun, srun): see docs/cluster.md.',
  arguments: {
    command: severalArguments(
      'behind --: pretrain, finetune, evaluate, predict, features or certify, with its arguments',
    ),
  },
  options: {
    ranks: mandatory(count('ranks', 'number of processes')),
    mpirun: text(
      'program',
      'the program of MPI that starts ranks, or none: NCCL alone; default: the first of mpirun, mpiexec on PATH',
    ),
    restarts: withDefault(
      count(
        'restarts',
        'pretrain, finetune: start again with --resume, at most so often, when a rank dies or the machine fails',
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
