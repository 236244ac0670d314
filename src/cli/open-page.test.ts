import { expect, test } from 'vitest'
import { pageOpener } from './open-page.ts'

const desktop = { platform: 'linux', env: { DISPLAY: ':0' }, terminal: true } as const

test('opens pages on a terminal with a desktop, and nowhere else', () => {
  expect(pageOpener(desktop)).toEqual(['xdg-open'])
  expect(pageOpener({ ...desktop, env: { WAYLAND_DISPLAY: 'wayland-0' } })).toEqual(['xdg-open'])
  expect(pageOpener({ ...desktop, platform: 'darwin', env: {} })).toEqual(['open'])
  for (const without of [
    { terminal: false },
    { env: {} },
    { env: { DISPLAY: ':0', CI: '1' } },
    { env: { DISPLAY: ':10', SSH_CONNECTION: 'a' } },
  ])
    expect(pageOpener({ ...desktop, ...without })).toBeNull()
})
