/**
 * Entry of a process that loads one MPI library and says what it is: two of them in one process would mix their symbols, and one that
 * is broken ends this process alone.
 */
import { MpiLibrary } from './library.ts'

try {
  const library = new MpiLibrary(process.argv[2] ?? '')
  process.stdout.write(JSON.stringify({ version: library.version, abi: library.abi.name }))
} catch (error) {
  process.stdout.write(JSON.stringify({ problem: (error as Error).message }))
}
