import { existsSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { VideoMaeError } from './errors.ts'

/**
 * The compiled file that a worker thread or child process starts from.
 *
 * Node 20 cannot run TypeScript, so when the caller itself runs from `src/` (tests, tsx) the sibling in `dist/` is used;
 * tests build it first where it is older.
 *
 * @param caller `import.meta.url` of the calling module
 * @param relative path of the entry without extension, relative to the caller, e.g. `./worker`
 * @throws VideoMaeError `BUILD_MISSING` when `dist/` has not been built
 */
export function compiledEntry(caller: string, relative: string): URL {
  const here = new URL(`${relative}.js`, caller)
  const target = caller.endsWith('.ts')
    ? pathToFileURL(fileURLToPath(here).replace(/([\\/])src([\\/])(?!.*[\\/]src[\\/])/, '$1dist$2'))
    : here
  if (!existsSync(target)) {
    throw new VideoMaeError(`Expected the compiled file ${fileURLToPath(target)}, which does not exist.`, {
      code: 'BUILD_MISSING',
      exit: 'environment',
      hint: 'Run `npm run build` once.',
    })
  }
  return target
}

/**
 * The options of Node.js that a thread of a file inherits. `--input-type` is for code that the command line holds (`node --eval`): a
 * thread that starts from a file refuses it.
 */
export function threadOptions(options: readonly string[] = process.execArgv): string[] {
  return options.filter((option, i) => !option.startsWith('--input-type') && options[i - 1] !== '--input-type')
}
