/**
 * Vitest starts files in the order of their sizes where it has not run before, on a fresh clone say. A short file can take minutes;
 * when it starts last, the other worker waits for it. These start first, the longest one ahead. They take 15 s and more on two
 * quiet cores. A file that should be listed and is not costs time, nothing else.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

export const longest: readonly string[] = [
  'test/native/kernels.test.ts',
  'test/train/resume.test.ts',
  'test/cuda/operations.test.ts',
  'test/finetune/finetune.test.ts',
  'test/distributed/training.test.ts',
  'test/cuda/pretrain.test.ts',
  'test/train/resume-alone.test.ts',
  'test/engines/operations.test.ts',
  'test/certify-videos/ensemble.test.ts',
  'test/video/loader.test.ts',
  'test/video/machine.test.ts',
  'test/package/packed.test.ts',
  'test/certify/examples.test.ts',
  'test/certify/verify.test.ts',
  'test/cuda/ranks.test.ts',
  'test/distributed/divided-work.test.ts',
  'test/privacy/left-behind.test.ts',
  'test/certify-videos/class-list.test.ts',
  'test/certify-videos/learners.test.ts',
  'test/certify-videos/training-manifest.test.ts',
  'test/certify-videos/training-manifest-classifier.test.ts',
  'test/cuda/engine.test.ts',
  'test/native/compilation.test.ts',
  'test/fuzz/formats.test.ts',
  'test/finetune/trained-on.test.ts',
  'test/finetune/non-square.test.ts',
  'test/cli/command-line.test.ts',
  'test/certify-videos/readout.test.ts',
  'test/finetune/readout-heads.test.ts',
  'test/certify-videos/list-audit.test.ts',
  'test/distributed/finetuning.test.ts',
  'test/certify-videos/kept-results.test.ts',
  'test/finetune/run-folder.test.ts',
  'test/native/training.test.ts',
  'test/certify-videos/certify-videos.test.ts',
  'test/train/run-folder.test.ts',
  'test/certify/votes-brute-force.test.ts',
  'test/certify-videos/memory.test.ts',
  'test/train/signals.test.ts',
  'test/certify-videos/votes-interruption.test.ts',
  'test/examples/examples.test.ts',
  'test/cli/classifier.test.ts',
  'test/certify/certify.test.ts',
  'test/certify-videos/ensemble-export.test.ts',
  'test/distributed/kubernetes-examples.test.ts',
  'test/cli/export-classifier.test.ts',
  'test/video/decoder.test.ts',
  'test/cuda/training.test.ts',
  'test/finetune/dry-run.test.ts',
  'test/certify-videos/augment.test.ts',
  'test/native/operations.test.ts',
  'test/certify/diff.test.ts',
  'test/export/sidecar.test.ts',
  'test/video/hostile-files.test.ts',
  'test/certify-videos/interruption.test.ts',
]

/** Projects that share processes, one after another: a process serves one project, and is ended where the next file is of another. */
const turns: readonly string[] = ['cuda', 'behavior', 'unit']

/**
 * In each project the listed files first, in that order; the others as Vitest orders them. Files with a process of their own come
 * before those that share processes: Vitest passes a process on only while the next file shares it, too.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const ranks = new Map(longest.map((name, rank) => [name, rank]))
    const rankOf = ({ moduleId }: TestSpecification): number =>
      ranks.get(path.relative(this.ctx.config.root, moduleId).replaceAll('\\', '/')) ?? longest.length
    const gone = longest.filter((name) => !existsSync(path.join(this.ctx.config.root, name)))
    if (gone.length > 0) throw new Error(`test/order.ts lists files that are not there: ${gone.join(', ')}.`)
    // The first one compiles kernels that others find in the cache.
    const shares = (file: TestSpecification): number => (rankOf(file) === 0 || file.project.config.isolate ? 0 : 1)
    const usual = await super.sort(files)
    const turnOf = (file: TestSpecification): number => shares(file) * turns.indexOf(file.project.name)
    return usual.toSorted((a, b) => shares(a) - shares(b) || turnOf(a) - turnOf(b) || rankOf(a) - rankOf(b))
  }
}
