/** What npm publishes and installs: the promises of package.json. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

const root = path.resolve(import.meta.dirname, '..')
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  name: string
  type: string
  license: string
  version: string
  description: string
  bin: Record<string, string>
  exports: Record<string, string | Record<string, string>>
  dependencies: Record<string, string>
  allowScripts: Record<string, boolean>
  sideEffects: string[]
}

describe('package', () => {
  test('names files that the build makes', () => {
    const files = [
      ...Object.values(manifest.bin),
      ...Object.values(manifest.exports).flatMap((entry) =>
        typeof entry === 'string' ? [entry] : Object.values(entry),
      ),
    ]
    for (const file of files) expect(existsSync(path.join(root, file)), file).toBe(true)
    expect(manifest).toMatchObject({ name: 'videomae', type: 'module', license: 'Apache-2.0' })
    expect(existsSync(path.join(root, 'LICENSE'))).toBe(true)
  })

  test('is cited as what it is', () => {
    const citation = parse(readFileSync(path.join(root, 'CITATION.cff'), 'utf8')) as Record<string, unknown>
    const { name: title, version, license, description } = manifest
    expect(citation).toMatchObject({ 'cff-version': '1.2.0', type: 'software', title, version, license })
    expect(citation.abstract).toBe(description)
  })

  test('lets no bundler drop a module that is imported for what it does', () => {
    const bare = readdirSync(path.join(root, 'dist'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js'))
      .flatMap((file) => {
        const text = readFileSync(path.join(root, 'dist', file), 'utf8')
        const imported = [...text.matchAll(/^import '(\..*)'/gm)].map((found) => found[1])
        return imported.map((name) => path.posix.join('dist', path.posix.dirname(file.split(path.sep).join('/')), name))
      })
    expect(bare.length).toBeGreaterThan(0)
    for (const file of bare) expect(manifest.sideEffects).toContain(`./${file}`)
  })

  test('asks a consumer for no package with an install script', () => {
    const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { hasInstallScript?: boolean; dev?: boolean }>
    }
    const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript === true)
    expect(scripted.filter(([, { dev }]) => dev !== true).map(([name]) => name)).toEqual([])
    // And none of them runs in this checkout with npm 11.
    expect(Object.values(manifest.allowScripts).every((allowed) => !allowed)).toBe(true)
    for (const [name] of scripted) {
      expect(manifest.allowScripts, name).toHaveProperty(name.replace(/^.*node_modules\//, ''), false)
    }
  })

  test('can be imported without side effects and offers the documented functions', async () => {
    const library = (await import('../src/index.ts')) as Record<string, unknown>
    for (const name of ['pretrain', 'reconstruct', 'exportEncoder', 'finetune', 'certifyVideos']) {
      expect(library[name], name).toBeTypeOf('function')
    }
  })
})
