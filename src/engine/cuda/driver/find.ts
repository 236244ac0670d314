import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'

/** The shared libraries the engine needs, by role. */
export const libraryRoles = ['cuda', 'nvrtc', 'cublasLt'] as const
export type LibraryRole = (typeof libraryRoles)[number]

export interface FoundLibrary {
  readonly path: string
  /** e.g. `a toolkit at /usr/local/cuda`. */
  readonly source: string
}

export interface LibrarySearch {
  readonly found: Readonly<Partial<Record<LibraryRole, FoundLibrary>>>
  /** What is not there and how to get it, one sentence each. */
  readonly missing: readonly { readonly role: LibraryRole; readonly advice: string }[]
  /** Folders that were looked at, in order. */
  readonly searched: readonly string[]
}

const stems: Readonly<Record<LibraryRole, string>> = { cuda: 'libcuda', nvrtc: 'libnvrtc', cublasLt: 'libcublasLt' }

const advice: Readonly<Record<LibraryRole, string>> = {
  cuda: 'libcuda.so.1 belongs to the NVIDIA driver: install the driver; in a container, start it with GPU access (for example `docker run --gpus all`).',
  nvrtc: 'libnvrtc is part of the CUDA toolkit: install it, or `pip install nvidia-cuda-nvrtc`, or set CUDA_HOME.',
  cublasLt: 'libcublasLt is part of the CUDA toolkit: install it, or `pip install nvidia-cublas`, or set CUDA_HOME.',
}

export interface SearchEnvironment {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** Folders of the dynamic linker's cache that hold CUDA libraries. */
  readonly linkerFolders: () => readonly string[]
}

const realEnvironment: SearchEnvironment = { variables: process.env, linkerFolders: linkerCacheFolders }

/**
 * Looks for the CUDA driver, NVRTC and cuBLASLt: in VIDEOMAE_CUDA_LIBRARIES, CUDA_HOME or CUDA_PATH, LD_LIBRARY_PATH,
 * the linker's cache, /usr/local/cuda*, and the `nvidia` folders of Python environments (VIRTUAL_ENV, CONDA_PREFIX, and
 * the python3 on PATH).
 */
export function findLibraries(environment: SearchEnvironment = realEnvironment): LibrarySearch {
  const folders = searchedFolders(environment)
  const found: Partial<Record<LibraryRole, FoundLibrary>> = {}
  for (const role of libraryRoles) {
    const file = newestIn(folders, stems[role])
    if (file !== null) found[role] = file
  }
  return {
    found,
    missing: libraryRoles.filter((role) => found[role] === undefined).map((role) => ({ role, advice: advice[role] })),
    searched: folders.map(({ folder }) => folder),
  }
}

/** NCCL, which ranks need that each have a GPU; null where it is not in one of the folders of `findLibraries`. */
export function findNccl(environment: SearchEnvironment = realEnvironment): FoundLibrary | null {
  return newestIn(searchedFolders(environment), 'libnccl')
}

function newestIn(folders: readonly SearchedFolder[], stem: string): FoundLibrary | null {
  for (const { folder, source } of folders) {
    const file = newest(folder, stem)
    if (file !== null) return { path: path.join(folder, file), source }
  }
  return null
}

interface SearchedFolder {
  readonly folder: string
  readonly source: string
}

function searchedFolders(environment: SearchEnvironment): SearchedFolder[] {
  const { variables } = environment
  const folders: SearchedFolder[] = []
  const look = (folder: string, source: string): void => {
    if (existsSync(folder) && !folders.some((known) => known.folder === folder)) folders.push({ folder, source })
  }
  for (const folder of splitPaths(variables.VIDEOMAE_CUDA_LIBRARIES)) look(folder, 'VIDEOMAE_CUDA_LIBRARIES')
  for (const name of ['CUDA_HOME', 'CUDA_PATH']) {
    const home = variables[name]
    if (home !== undefined) for (const folder of toolkitFolders(home)) look(folder, `the toolkit of ${name}`)
  }
  for (const folder of splitPaths(variables.LD_LIBRARY_PATH)) look(folder, 'LD_LIBRARY_PATH')
  for (const folder of environment.linkerFolders()) look(folder, "the linker's cache")
  for (const home of toolkits('/usr/local')) {
    for (const folder of toolkitFolders(home)) look(folder, `a toolkit at ${home}`)
  }
  for (const folder of pythonFolders(variables)) look(folder, 'Python packages')
  for (const folder of ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib/wsl/lib']) {
    look(folder, 'the system')
  }
  return folders
}

const splitPaths = (value: string | undefined): string[] => (value ?? '').split(path.delimiter).filter(Boolean)

const toolkitFolders = (home: string): string[] =>
  ['lib64', 'lib', 'targets/x86_64-linux/lib', 'targets/sbsa-linux/lib'].map((folder) => path.join(home, folder))

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** `cuda` first, then versions, newest first. */
function toolkits(folder: string): string[] {
  return entries(folder)
    .filter((name) => /^cuda(-[\d.]+)?$/.test(name))
    .sort((a, b) => (a === 'cuda' ? -1 : b === 'cuda' ? 1 : b.localeCompare(a, 'en', { numeric: true })))
    .map((name) => path.join(folder, name))
}

/** The newest `stem.so.<version>` (or bare `.so`) of a folder; stubs and alternative builds do not count. */
function newest(folder: string, stem: string): string | null {
  const pattern = new RegExp(`^${stem}\\.so(\\.[\\d.]+)?$`)
  const files = entries(folder).filter((name) => pattern.test(name))
  return files.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0] ?? null
}

function pythonFolders(variables: SearchEnvironment['variables']): string[] {
  const prefixes = [variables.VIRTUAL_ENV, variables.CONDA_PREFIX].filter((prefix) => prefix !== undefined)
  for (const folder of splitPaths(variables.PATH)) {
    if (existsSync(path.join(folder, 'python3'))) prefixes.push(path.dirname(folder))
  }
  return [...new Set(prefixes)].flatMap((prefix) =>
    entries(path.join(prefix, 'lib'))
      .filter((name) => /^python3(\.\d+)?$/.test(name))
      .flatMap((python) => ['site-packages', 'dist-packages'].map((kind) => path.join(prefix, 'lib', python, kind)))
      .flatMap((packages) => {
        const nvidia = path.join(packages, 'nvidia')
        // nvidia/cu13/lib of newer packages, nvidia/cuda_nvrtc/lib and nvidia/cublas/lib of older ones.
        return entries(nvidia).map((name) => path.join(nvidia, name, 'lib'))
      }),
  )
}

function linkerCacheFolders(): string[] {
  const listed = spawnSync('ldconfig', ['-p'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${process.env.PATH}:/sbin` },
  })
  if (listed.status !== 0) return []
  const paths = listed.stdout.matchAll(/lib(?:cuda|nvrtc|cublasLt|nccl)\.so\S* .*=> (\S+)/g)
  return [...new Set([...paths].map((match) => path.dirname(match[1])))]
}
