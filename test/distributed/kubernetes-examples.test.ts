/**
 * The files for Kubernetes. Oracles: the fields of the resource definitions, as far as they are used, compared with the types of MPIJob v2beta1
 * (kubeflow/mpi-operator, pkg/apis/kubeflow/v2beta1/types.go) and JobSet v1alpha2 (kubernetes-sigs/jobset, api/jobset/v1alpha2/jobset_types.go);
 * and programs in place of ssh and mpirun.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { createProgram } from '../../src/cli/commands.ts'
import { recipeFile } from '../../src/train/recipes.ts'

const file = (name: string): string => path.resolve(import.meta.dirname, '../../examples/cluster', name)
const folder = mkdtempSync(path.join(os.tmpdir(), 'videomae-kubernetes-'))
afterAll(() => rmSync(folder, { recursive: true }))

const count = z.int().min(1)
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/)
const volume = z.union([
  z.strictObject({ name, persistentVolumeClaim: z.strictObject({ claimName: name }) }),
  z.strictObject({ name, secret: z.strictObject({ secretName: name, defaultMode: z.int().max(0o777) }) }),
])
const container = z.strictObject({
  ...{ name, image: z.string() },
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
  resources: z.strictObject({ limits: z.record(z.string(), z.string()) }).optional(),
  volumeMounts: z.array(z.strictObject({ name, mountPath: z.string().startsWith('/') })),
})
/** A pod mounts only what it has. */
const pod = z
  .strictObject({
    restartPolicy: z.enum(['Never', 'OnFailure']).optional(),
    containers: z.array(container).min(1),
    volumes: z.array(volume),
  })
  .refine(({ containers, volumes }) => {
    const known = new Set(volumes.map((each) => each.name))
    return containers.every(({ volumeMounts }) => volumeMounts.every((mount) => known.has(mount.name)))
  }, 'a volume that is mounted is missing')
const podTemplate = z.strictObject({ spec: pod })
const replica = z.strictObject({
  replicas: count,
  restartPolicy: z.enum(['Never', 'OnFailure']).optional(),
  template: podTemplate,
})

const mpiJob = z.strictObject({
  apiVersion: z.literal('kubeflow.org/v2beta1'),
  kind: z.literal('MPIJob'),
  metadata: z.strictObject({ name }),
  spec: z.strictObject({
    slotsPerWorker: count,
    mpiImplementation: z.enum(['OpenMPI', 'Intel', 'MPICH']),
    runPolicy: z.strictObject({ cleanPodPolicy: z.enum(['None', 'Running', 'All']), backoffLimit: z.int().min(0) }),
    mpiReplicaSpecs: z.strictObject({ Launcher: replica, Worker: replica }),
  }),
})

const jobSet = z.strictObject({
  apiVersion: z.literal('jobset.x-k8s.io/v1alpha2'),
  kind: z.literal('JobSet'),
  metadata: z.strictObject({ name }),
  spec: z.strictObject({
    network: z.strictObject({ enableDNSHostnames: z.boolean() }),
    successPolicy: z.strictObject({ operator: z.enum(['All', 'Any']), targetReplicatedJobs: z.array(name) }),
    failurePolicy: z.strictObject({ maxRestarts: z.int().min(0) }),
    replicatedJobs: z.array(
      z.strictObject({
        ...{ name, replicas: count },
        template: z.strictObject({
          spec: z.strictObject({
            ...{ parallelism: count, completions: count, backoffLimit: z.int().min(0) },
            completionMode: z.enum(['Indexed', 'NonIndexed']).optional(),
            template: podTemplate,
          }),
        }),
      }),
    ),
  }),
})

/** A command is one of the program, with options that it has and a recipe that there is. */
function expectCommand(words: readonly string[]): void {
  const [command, ...options] = words
  const known = createProgram().commands.find((each) => each.name() === command)
  for (const option of options.filter((word) => word.startsWith('--')))
    expect(known?.options.map(({ long }) => long)).toContain(option)
  expect(readFileSync(recipeFile(options[options.indexOf('--recipe') + 1]), 'utf8')).toContain('batch')
  expect(options).toContain('--resume')
}

it('the MPIJob has one rank for each worker', () => {
  const { spec } = mpiJob.parse(parse(readFileSync(file('mpijob.yaml'), 'utf8')))
  const { Launcher, Worker } = spec.mpiReplicaSpecs
  const [{ command, args = [] }] = Launcher.template.spec.containers
  expect(command).toEqual(['mpirun'])
  expect(Number(args[args.indexOf('-np') + 1])).toBe(Worker.replicas * spec.slotsPerWorker)
  expectCommand(args.slice(args.indexOf('videomae') + 1))
})

describe('the JobSet', () => {
  const { metadata, spec } = jobSet.parse(parse(readFileSync(file('jobset.yaml'), 'utf8')))
  const [launcher, worker] = spec.replicatedJobs

  it.skipIf(spawnSync('bash', ['--version']).status !== 0)(
    'starts a rank on every worker, under its name, once all answer',
    () => {
      const log = path.join(folder, 'log')
      // Each worker answers the second time.
      const ssh = `#!/bin/bash\necho ssh "$@" >> ${log}\n[ "$(grep -c "ssh $1" ${log})" -gt 1 ]\n`
      for (const [program, text] of [
        ['ssh', ssh],
        ['mpirun', `#!/bin/bash\necho mpirun "$@" >> ${log}\n`],
        ['sleep', '#!/bin/bash\n'],
      ]) {
        writeFileSync(path.join(folder, program), text)
        chmodSync(path.join(folder, program), 0o755)
      }
      const [{ command = [], args = [], env = [] }] = launcher.template.spec.template.spec.containers
      const variables = Object.fromEntries(env.map((each) => [each.name, each.value]))
      const PATH = `${folder}${path.delimiter}${process.env.PATH}`
      const { status, stderr } = spawnSync(command[0], [...command.slice(1), ...args], {
        env: { PATH, ...variables },
        encoding: 'utf8',
      })
      expect(status, stderr).toBe(0)
      // <jobset>-<job>-<job index>-<pod index>.<subdomain>: what enableDNSHostnames gives.
      const { parallelism, completions } = worker.template.spec
      const hosts = Array.from(
        { length: parallelism },
        (_, pod) => `${metadata.name}-${worker.name}-0-${pod}.${metadata.name}`,
      )
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n')
      expect(lines.slice(0, -1)).toEqual(hosts.flatMap((host) => Array(2).fill(`ssh ${host} true`)))
      const mpirun = (lines.at(-1) ?? '').split(' ')
      expect([mpirun[mpirun.indexOf('--host') + 1], mpirun[mpirun.indexOf('-np') + 1]]).toEqual([
        hosts.join(),
        String(completions),
      ])
      expectCommand(mpirun.slice(mpirun.indexOf('videomae') + 1))
    },
  )

  it('ends with the launcher, and names its jobs', () => {
    expect(spec.successPolicy.targetReplicatedJobs).toEqual([launcher.name])
    expect(worker.template.spec.completionMode).toBe('Indexed')
  })
})
