/**
 * Trains on two ranks in two network namespaces of this machine, over TCP on one virtual cable: without trouble, over a slow cable that
 * loses packets, and over one that is cut in the middle of a run. Needs Linux, root, `ip`, `tc`, `unshare`, and Open MPI or MPICH.
 *
 *   npx tsx scripts/torture-network.ts [--cuts 3] [--steps 24] [--limit 10] [--mpirun mpirun.openmpi] [--seed 0]
 *
 * Passes when the slow run gives the losses and weights of the good one, bit for bit; and when after each cut the ranks end within the
 * time limit (`VIDEOMAE_RANK_TIMEOUT`, --limit seconds) and 20 s, everything ends 40 s later with an error code, an error names the silent host, and --resume gives the same bits.
 * Ends with exit code 6 otherwise. Run `npm run build` first.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type MpiProgram, mpiProgramOf } from '../src/distributed/find-mpi.ts'
import { exitCodes } from '../src/index.ts'
import { RandomStream } from '../src/model.ts'
import { generateMotionDataset } from '../src/synthetic/generate.ts'
import { tinyRecipe, trainedResult } from './support/torture/tiny-run.ts'

const { values } = parseArgs({
  options: {
    cuts: { type: 'string', default: '3' },
    steps: { type: 'string', default: '24' },
    limit: { type: 'string', default: '10' },
    mpirun: { type: 'string', default: 'mpirun.openmpi' },
    seed: { type: 'string', default: '0' },
  },
})
const [cuts, steps, limit] = [values.cuts, values.steps, values.limit].map(Number)

const main = path.join(import.meta.dirname, '..', 'dist', 'cli', 'main.js')
const folder = mkdtempSync(path.join(tmpdir(), 'videomae-torture-network-'))
const [videos, file, agent] = ['videos', 'tiny.yaml', 'agent.sh'].map((name) => path.join(folder, name))
const id = process.pid
/** Hosts: a namespace, its end of the cable, its address. */
const hosts = ['a', 'b'].map((name, i) => ({
  name: `vm${id}${name}`,
  cable: `vm${id}${name}`,
  address: `10.77.0.${i + 1}`,
}))
const [first, second] = hosts
const stream = new RandomStream(Number(values.seed), 'cuts')
const failures: string[] = []
const mpirun = await launcher(values.mpirun)

function root(program: string, ...args: readonly string[]): void {
  execFileSync(program, [...args], { stdio: 'pipe' })
}

const inside = (name: string, ...args: readonly string[]): void => root('ip', '-n', name, ...args)

async function launcher(name: string): Promise<MpiProgram> {
  const found = await mpiProgramOf(name)
  if (found === null) throw new Error(`Expected a program of Open MPI or MPICH but received ${name}.`)
  return found
}

/** Two namespaces and the cable between them. */
function connect(): void {
  for (const { name } of hosts) root('ip', 'netns', 'add', name)
  const ends = [first.cable, 'netns', first.name, 'type', 'veth', 'peer', 'name', second.cable, 'netns', second.name]
  root('ip', 'link', 'add', ...ends)
  for (const { name, cable, address } of hosts) {
    inside(name, 'addr', 'add', `${address}/24`, 'dev', cable)
    for (const device of ['lo', cable]) inside(name, 'link', 'set', device, 'up')
    // mpirun waits for its daemon until the system gives their connection up: 15 minutes unless told otherwise.
    root('ip', 'netns', 'exec', name, 'sh', '-c', 'echo 3 > /proc/sys/net/ipv4/tcp_retries2')
  }
  const cases = hosts.map(({ name, address }) => `${address}) n=${name};;`).join(' ')
  // What mpirun starts on the other host in place of ssh, with options, the name of the host and a command.
  const shell = `#!/bin/sh\nwhile [ "$1" != "\${1#-}" ]; do shift; done\nh=$1; shift\ncase $h in ${cases} esac\nexec ip netns exec $n unshare --uts sh -c "hostname $n; $*"\n`
  writeFileSync(agent, shell)
  chmodSync(agent, 0o755)
}

/** Processes in both namespaces: ranks and what they have started, or launchers. */
function inhabitants(kind: 'ranks' | 'all'): number[] {
  const all = hosts.flatMap(({ name }) =>
    execFileSync('ip', ['netns', 'pids', name]).toString().split('\n').filter(Boolean).map(Number),
  )
  return kind === 'all' ? all : all.filter((each) => programOf(each) === process.execPath)
}

function programOf(each: number): string | null {
  try {
    return readlinkSync(`/proc/${each}/exe`)
  } catch {
    return null // it has ended
  }
}

/** Makes the cable slow and lossy on both ends; says how. Not every kernel has netem: a short queue delays and loses, too. */
function disturb(): string {
  const kinds = [
    ['netem', 'delay', '20ms', '5ms', 'loss', '2%'],
    ['tbf', 'rate', '4mbit', 'burst', '4kb', 'limit', '6kb'],
  ]
  for (const kind of kinds) {
    try {
      for (const { name, cable } of hosts) root('tc', '-n', name, 'qdisc', 'replace', 'dev', cable, 'root', ...kind)
      return kind.join(' ')
    } catch {}
  }
  throw new Error('Expected this kernel to have netem or tbf, but tc could use neither.')
}

interface Started {
  readonly child: ChildProcess
  readonly said: () => string
  readonly ended: Promise<number | null>
}

/** What mpirun is told of the hosts. */
function flagsOf({ kind }: MpiProgram): readonly string[] {
  const where = hosts.map(({ address }) => `${address}:1`).join(',')
  if (kind === 'MPICH') return ['-launcher', 'ssh', '-launcher-exec', agent, '-hosts', where]
  const net = `${first.address}/24`
  const mca = ['plm_rsh_agent', agent, 'btl', 'self,tcp', 'btl_tcp_if_include', net, 'oob_tcp_if_include', net]
  const flags = mca.flatMap((value, i) => (i % 2 === 0 ? ['--mca', value] : [value]))
  return ['--allow-run-as-root', ...flags, '--host', where, '--bind-to', 'none', '-x', 'VIDEOMAE_RANK_TIMEOUT']
}

function start(out: string, ...more: readonly string[]): Started {
  const train = [process.execPath, main, 'pretrain', videos, '--recipe', file, '--out', out, ...more]
  const shell = `hostname ${first.name}; exec "$0" "$@"`
  const command = ['unshare', '--uts', 'sh', '-c', shell, mpirun.path, ...flagsOf(mpirun), '-np', '2', ...train]
  const child = spawn('ip', ['netns', 'exec', first.name, ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // UCX, which MPICH sends with, would take the memory that the two hosts share.
    env: { ...process.env, VIDEOMAE_RANK_TIMEOUT: String(limit), UCX_TLS: 'tcp,self' },
  })
  let text = ''
  child.stderr.on('data', (part) => {
    text += String(part)
  })
  return { child, said: () => text, ended: new Promise((resolve) => child.on('close', resolve)) }
}

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds))

/** Runs to the end; a failure where the result is another one. */
async function whole(name: string, expected: string | null, ...more: readonly string[]): Promise<string> {
  const out = path.join(folder, name)
  const began = performance.now()
  const run = start(out, ...more)
  const code = await run.ended
  const result = code === 0 ? trainedResult(out, steps) : ''
  if (code !== 0 || (expected !== null && result !== expected))
    failures.push(`${name}: ended with ${code}, or with other losses or weights:\n${run.said()}`)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  process.stdout.write(`${name}: ${code === 0 ? `ended well after ${seconds} s` : `ended with ${code}`}\n`)
  return result
}

async function cut(number: number, expected: string): Promise<void> {
  const out = path.join(folder, `cut-${number}`)
  const run = start(out)
  let over = false
  void run.ended.then(() => {
    over = true
  })
  const from = 1 + Math.floor(stream.uniform(0, steps - 4))
  while (!over && !new RegExp(`^step ${from}/`, 'm').test(run.said())) await pause(20)
  inside(first.name, 'link', 'set', first.cable, 'down')
  const began = performance.now()
  const seconds = (): number => (performance.now() - began) / 1000
  while (inhabitants('ranks').length > 0 && seconds() < limit + 20) await pause(100)
  const ranksLeft = inhabitants('ranks').length
  const ranksTook = seconds().toFixed(1)
  while ((!over || inhabitants('all').length > 0) && seconds() < limit + 60) await pause(100)
  const left = inhabitants('all')
  const took = seconds().toFixed(1)
  const code = over ? await run.ended : 'nothing'
  if (ranksLeft > 0 || left.length > 0 || code === 0 || code === 'nothing' || !run.said().includes('[RANKS_SILENT]'))
    failures.push(`cut ${number}: code ${code}; ${ranksLeft} ranks and ${left.length} processes left:\n${run.said()}`)
  for (const each of left) process.kill(each, 'SIGKILL')
  await run.ended
  inside(first.name, 'link', 'set', first.cable, 'up')
  process.stdout.write(
    `cut ${number} after step ${from}: ranks ended after ${ranksTook} s, all after ${took} s with ${code}\n`,
  )
  await whole(`cut-${number}`, expected, '--resume')
}

try {
  connect()
  await generateMotionDataset(videos, { clips: 12, size: 32, frames: 12 })
  writeFileSync(file, tinyRecipe(2, steps))
  const expected = await whole('good', null)
  for (let number = 1; number <= cuts; number++) await cut(number, expected)
  process.stdout.write(`slow: ${disturb()}\n`)
  await whole('slow', expected)
  process.stdout.write(failures.length === 0 ? 'passed\n' : `${failures.length} failures\n${failures.join('\n')}\n`)
  process.exitCode = failures.length === 0 ? exitCodes.success : exitCodes.checkFailed
} finally {
  for (const { name } of hosts)
    try {
      root('ip', 'netns', 'del', name)
    } catch {}
  rmSync(folder, { recursive: true })
}
