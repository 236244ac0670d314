/**
 * The files for Kubernetes. Oracles: the fields of the resource definitions, as far as they are used, compared with the types of MPIJob v2beta1
 * (kubeflow/mpi-operator, pkg/apis/kubeflow/v2beta1/types.go) and JobSet v1alpha2 (kubernetes-sigs/jobset, api/jobset/v1alpha2/jobset_types.go);
 * programs in place of ssh and mpirun; and two ranks on this machine, which mpirun starts through a program in place of ssh.
 */
import { execFile, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { createProgram } from '../../src/cli/create-program.ts'
import { compiledEntry } from '../../src/core/entry.ts'
import { recipeFile } from '../../src/train/recipes.ts'
import { folderForTests } from '../support/folder-for-tests.ts'
import { launchers } from '../support/launchers.ts'
import { createTinyRun, curve } from '../support/tiny-run.ts'

const file = (name: string): string => path.resolve(import.meta.dirname, '../../examples/cluster', name)
const folder = folderForTests('videomae-kubernetes-')

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

/** Programs of a folder, which comes first on the path. @returns the path */
function install(at: string, programs: Readonly<Record<string, string>>): string {
  mkdirSync(at, { recursive: true })
  for (const [program, text] of Object.entries(programs)) {
    writeFileSync(path.join(at, program), `#!/bin/bash\n${text}\n`)
    chmodSync(path.join(at, program), 0o755)
  }
  return `${at}${path.delimiter}${process.env.PATH}`
}

const [openMpi] = launchers
const script = fileURLToPath(compiledEntry(new URL('../../src/cli/main.ts', import.meta.url).href, './main'))

/**
 * Runs the command of a launcher's container with two workers instead of four. The workers are processes of this machine, and are found under
 * the names in `hosts` only; /data is a folder of the test, and the run is a tiny one.
 */
async function expectTwoRanks(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  hosts: readonly string[],
): Promise<void> {
  const at = path.join(folder, hosts[0])
  const { recipe } = await createTinyRun(path.join(at, 'data'))
  const settings = ['schedule.duration=2 steps', 'schedule.warmup=0 steps', 'engine.threads=1', 'data.workers=1'].map(
    (each) => `--set '${each}'`,
  )
  const PATH = install(path.join(at, 'bin'), {
    // Each worker believes that its machine is its own, so that ranks would not leave the processor to others while they wait.
    // Daemons of one run on one machine would make the same folders at the same time, which failed now and then: each has its own.
    // Two of them would place the picture of its processors at one address: one of them crashed now and then.
    mpirun: `exec ${openMpi.program} --mca mpi_yield_when_idle 1 --mca rtc_hwloc_vmhole none "$@"`,
    videomae: `exec '${process.execPath}' '${script}' "$@" --recipe '${recipe}' ${settings.join(' ')}`,
    ssh: `
while [[ $1 == -* ]]; do [[ $1 != -o ]] || shift; shift; done
case $1 in ${hosts.join('|')}) ;; *) echo "no address for $1" >&2; exit 255;; esac
echo "$1" >> '${at}/asked'; shift; export TMPDIR=$(mktemp -d); exec bash -c "$*"`,
  })
  const four = { ...process.env, ...env, PATH }
  const two = Object.fromEntries(Object.entries(four).map(([name, value]) => [name, value === '4' ? '2' : value]))
  const [program, ...args] = words.map((word) => (word === '4' ? '2' : word.replaceAll('/data/', `${at}/data/`)))
  const { error, stderr } = await new Promise<{ error: Error | null; stderr: string }>((resolve) => {
    execFile(program, args, { env: two, encoding: 'utf8' }, (error, _, stderr) => resolve({ error, stderr }))
  })
  expect(error, stderr).toBeNull()
  expect(stderr).toMatch(/^ranks {5}2 over Open MPI/m)
  expect(curve(path.join(at, 'data/runs/k400-s')).map(({ step }) => step)).toEqual([1, 2])
  const asked = readFileSync(path.join(at, 'asked'), 'utf8').trimEnd().split('\n')
  expect([...new Set(asked)].sort()).toEqual([...hosts])
}

describe('the MPIJob', () => {
  const { metadata, spec } = mpiJob.parse(parse(readFileSync(file('mpijob.yaml'), 'utf8')))
  const { Launcher, Worker } = spec.mpiReplicaSpecs
  const [{ command = [], args = [] }] = Launcher.template.spec.containers

  test('has one rank for each worker', () => {
    expect(command).toEqual(['mpirun'])
    expect(Number(args[args.indexOf('-np') + 1])).toBe(Worker.replicas * spec.slotsPerWorker)
    expectCommand(args.slice(args.indexOf('videomae') + 1))
  })

  test.skipIf(openMpi.missing !== null)('trains on two ranks with what the operator sets', async () => {
    // The names, the file of hosts and the variables of pkg/controller/mpi_job_controller.go.
    const hosts = [0, 1].map((worker) => `${metadata.name}-worker-${worker}.${metadata.name}.default.svc`)
    const hostfile = path.join(folder, 'hostfile')
    writeFileSync(hostfile, hosts.map((host) => `${host} slots=${spec.slotsPerWorker}\n`).join(''))
    const env = {
      OMPI_MCA_orte_keep_fqdn_hostnames: 'true',
      OMPI_MCA_orte_default_hostfile: hostfile,
      OMPI_MCA_plm_rsh_args: '-o ConnectionAttempts=10',
      OMPI_MCA_orte_set_default_slots: String(spec.slotsPerWorker),
    }
    await expectTwoRanks([...command, ...args], env, hosts)
  })
})

describe('the JobSet', () => {
  const { metadata, spec } = jobSet.parse(parse(readFileSync(file('jobset.yaml'), 'utf8')))
  const [launcher, worker] = spec.replicatedJobs
  const [{ command = [], args = [], env = [] }] = launcher.template.spec.template.spec.containers
  const variables = Object.fromEntries(env.map((each) => [each.name, each.value]))
  /** <jobset>-<job>-<job index>-<pod index>.<subdomain>: what enableDNSHostnames gives. */
  const hostOf = (pod: number): string => `${metadata.name}-${worker.name}-0-${pod}.${metadata.name}`

  test.skipIf(spawnSync('bash', ['--version']).status !== 0)(
    'starts a rank on every worker, under its name, once all answer',
    () => {
      const log = path.join(folder, 'log')
      // Each worker answers the second time.
      const PATH = install(path.join(folder, 'bin'), {
        ssh: `echo ssh "$@" >> ${log}\n[ "$(grep -c "ssh $1" ${log})" -gt 1 ]`,
        mpirun: `echo mpirun "$@" >> ${log}`,
        sleep: '',
      })
      const { status, stderr } = spawnSync(command[0], [...command.slice(1), ...args], {
        env: { PATH, ...variables },
        encoding: 'utf8',
      })
      expect(status, stderr).toBe(0)
      const { parallelism, completions } = worker.template.spec
      const hosts = Array.from({ length: parallelism }, (_, pod) => hostOf(pod))
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

  test.skipIf(openMpi.missing !== null)('trains on two ranks with what the file sets', async () => {
    await expectTwoRanks([...command, ...args], variables, [0, 1].map(hostOf))
  })

  test('ends with the launcher, and names its jobs', () => {
    expect(spec.successPolicy.targetReplicatedJobs).toEqual([launcher.name])
    expect(worker.template.spec.completionMode).toBe('Indexed')
  })
})
