import { spawn } from 'node:child_process'

/** The program that opens a file as the desktop does; null where there is no desktop, or nobody at a terminal. */
export function pageOpener({
  platform,
  env,
  terminal,
}: {
  readonly platform: NodeJS.Platform
  readonly env: Readonly<Record<string, string | undefined>>
  readonly terminal: boolean
}): readonly string[] | null {
  // Somebody at the other end of a connection has another desktop.
  if (!terminal || env.CI !== undefined || env.SSH_CONNECTION !== undefined) return null
  if (platform === 'darwin') return ['open']
  if (platform === 'win32') return ['explorer.exe']
  return env.DISPLAY !== undefined || env.WAYLAND_DISPLAY !== undefined ? ['xdg-open'] : null
}

/** Opens a page on a terminal with a desktop. That it cannot be opened is no failure: its path was printed. */
export function openPage(file: string): void {
  const opener = pageOpener({ platform: process.platform, env: process.env, terminal: process.stdout.isTTY })
  if (opener === null) return
  const [program, ...args] = opener
  const child = spawn(program, [...args, file], { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined)
  child.unref()
}
