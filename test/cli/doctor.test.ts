/** What `doctor` says of ONNX Runtime's execution providers. Oracle: a session of each, opened here. */
import { expect, test } from 'vitest'
import { checkProviders } from '../../src/engine/onnx/providers.ts'
import { videomaeAlone as videomae } from '../support/run-program.ts'

test('names a provider as usable only where a session opens with it', async () => {
  const checked = await checkProviders()
  expect(checked).toContainEqual({ name: 'cpu', usable: true })
  const { stdout, stderr } = await videomae('doctor', '--json')
  expect(stderr).toBe('')
  const { findings } = JSON.parse(stdout) as { findings: { part: string; detail: string }[] }
  const { detail } = findings.find(({ part }) => part === 'onnx providers')!
  const [usable] = detail.split(';')
  expect(usable.split(', ')).toEqual(checked.filter((provider) => provider.usable).map(({ name }) => name))
  // The build for Linux names CUDA, whether or not its libraries are here.
  for (const { name, usable: opens } of checked) if (!opens) expect(detail.slice(usable.length)).toContain(name)
})

test('takes a provider that opens no session for unusable', async () => {
  expect(await checkProviders(['cpu', 'no-such-provider'])).toEqual([
    { name: 'cpu', usable: true },
    { name: 'no-such-provider', usable: false },
  ])
})
