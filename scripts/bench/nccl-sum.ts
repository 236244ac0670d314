/**
 * What NCCL's sum of the gradients of a step costs between the GPUs of one machine: bytes and time, by themselves.
 *
 *   npm run build
 *   npx tsx scripts/bench/nccl-sum.ts [--ranks 2] [--rounds 9] [--sizes small,base,large,huge]
 *
 * Two ranks on one GPU need NCCL 2.30 with NCCL_MULTI_RANK_GPU_ENABLE=1; their times say nothing about two GPUs. The compared copy moves the
 * same bytes inside of the memory of one GPU.
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { localRanks, startProcesses } from '../../src/cli/launch-processes.ts'
import { launched } from '../../src/distributed/launched.ts'
import { openDeviceReducer } from '../../src/distributed/nccl/device-reducer.ts'
import { openCommunicator } from '../../src/distributed/open-communicator.ts'
import { openDevice } from '../../src/engine/cuda/driver/open.ts'
import { openNcclCommunicator } from '../../src/engine/cuda/ranks/open.ts'
import { runConfiguration } from '../../src/index.ts'
import { parameterCount, parameterShapes } from '../../src/model.ts'
import { modelConfiguration } from '../../src/train/model-section.ts'

const { values } = parseArgs({
  options: {
    ranks: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '9' },
    sizes: { type: 'string', default: 'small,base,large,huge' },
  },
})

/** Bytes of one call, as in training. */
const bucketBytes = 25 << 20

function parametersOf(preset: string): number {
  const { model } = runConfiguration({ model: { preset: preset as 'small' } })
  return parameterCount(parameterShapes(modelConfiguration(model, null), 'pretrain'))
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]
}

async function measure(): Promise<void> {
  const communicator = await openCommunicator(openNcclCommunicator)
  const { attachment, rank, size, library } = communicator
  if (attachment.transport !== 'nccl') throw new Error('Expected ranks that NCCL alone connects.')
  const device = openDevice(attachment.device)
  const reducer = openDeviceReducer(attachment, attachment.library)
  const [stream, from, to] = [device.createStream(), device.createEvent(true), device.createEvent(true)]
  if (rank === 0)
    process.stdout.write(
      `${library}, ${size} ranks, ${device.description.name}\nmodel  MB a step  sum ms (median)  copy ms  ratio  GB/s on the bus\n`,
    )
  for (const preset of values.sizes.split(',')) {
    const bytes = parametersOf(preset) * 4
    const [memory, other] = ['the gradients', 'a copy of them'].map((purpose) => device.allocate(bytes, purpose))
    device.fill(memory.address, 0, bytes, stream)
    const timed = (work: () => void): number => {
      device.record(from, stream)
      work()
      device.record(to, stream)
      device.synchronize(stream)
      return device.elapsedMilliseconds(from, to)
    }
    const pieces = Array.from({ length: Math.ceil(bytes / bucketBytes) }, (_, i) => ({
      address: memory.address + BigInt(i * bucketBytes),
      count: Math.min(bucketBytes, bytes - i * bucketBytes) / 4,
    }))
    const [sums, copies]: [number[], number[]] = [[], []]
    for (let round = 0; round <= Number(values.rounds); round++) {
      await communicator.barrier()
      const sum = timed(() => {
        for (const piece of pieces) reducer?.sum([piece], stream.handle as bigint)
      })
      const copy = timed(() => device.copyOnDevice(other.address, memory.address, bytes, stream))
      if (round > 0) {
        sums.push(sum)
        copies.push(copy)
      }
    }
    const [sum, copy] = [median(sums), median(copies)]
    const bus = ((2 * (size - 1)) / size) * (bytes / 1e9 / (sum / 1e3))
    const cells = [(bytes / 1e6).toFixed(0), sum.toFixed(2), copy.toFixed(2), (sum / copy).toFixed(1), bus.toFixed(1)]
    if (rank === 0) process.stdout.write(`${preset.padEnd(6)} ${cells.join('  ')}\n`)
    memory.free()
    other.free()
  }
  device.close()
  await communicator.close()
}

if (launched(process.env) !== null) await measure()
else {
  const command = [process.execPath, '--import', 'tsx', fileURLToPath(import.meta.url), ...process.argv.slice(2)]
  const { code } = await startProcesses(command, await localRanks(Number(values.ranks), process.env)).ended
  process.exitCode = code ?? 1
}
