/** The document of a live page: it gets its sections from the server, one by one, as they change. */
import { html, renderHtml } from '../page/html.ts'
import { stylesheet } from '../page/stylesheet.ts'

/** What somebody who looks at the page may do to the run. */
export interface LiveControls {
  /** Saves a checkpoint after the step in progress; null: cannot be asked for. */
  readonly save: (() => void) | null
  /** As Ctrl-C on the terminal. */
  readonly stop: () => void
}

/**
 * Only the script of this document runs, and only this server is asked.
 *
 * @param nonce of the script, for the policy
 */
export const livePolicy = (nonce: string): string =>
  `default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

export function liveDocument(title: string, nonce: string, controls: LiveControls | null): string {
  const buttons =
    controls === null
      ? null
      : html`<p class="controls">${
          controls.save === null ? null : html`<button type="button" data-action="save">Save a checkpoint now</button> `
        }<button type="button" data-action="stop">Save and stop</button></p>`
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
${stylesheet}
<style>
.controls button { font: inherit; padding: 0.45rem 0.9rem; margin: 0 0.5rem 0.5rem 0; color: var(--ink); background: var(--soft); border: 1px solid var(--ink-2); border-radius: 6px; cursor: pointer; }
.controls button:disabled { color: var(--ink-2); cursor: default; }
@media print { .controls, .connection { display: none; } }
</style>
</head>
<body>
<header><p class="kind">live</p><h1>${title}</h1><p class="connection" role="status">Connecting.</p>${buttons}</header>
<main></main>
`
  return `${renderHtml(page)}<script nonce="${nonce}">${script}</script>\n</body>\n</html>\n`
}

/** Runs in the browser. Sections are replaced as a whole; details that were opened stay open. */
const script = `
'use strict'
const main = document.querySelector('main')
const status = document.querySelector('[role=status]')
const say = (text) => { if (status.textContent !== text) status.textContent = text }
const sectionOf = (id) => {
  const there = document.getElementById(id)
  if (there !== null) return there
  const made = document.createElement('section')
  made.id = id
  main.append(made)
  return made
}
const replace = ({ id, html }) => {
  const section = sectionOf(id)
  const open = [...section.querySelectorAll('details')].map((each) => each.open)
  section.innerHTML = html
  for (const [i, each] of section.querySelectorAll('details').entries()) if (open[i]) each.open = true
}
const events = new EventSource('events')
events.addEventListener('open', () => say('Connected. The page follows the run.'))
events.addEventListener('error', () => say('Not connected: the program has ended, or the connection is lost.'))
events.addEventListener('section', ({ data }) => replace(JSON.parse(data)))
events.addEventListener('order', ({ data }) => {
  const ids = JSON.parse(data)
  for (const section of [...main.children]) if (!ids.includes(section.id)) section.remove()
  for (const id of ids) main.append(sectionOf(id))
})
events.addEventListener('problem', ({ data }) => say(JSON.parse(data)))
events.addEventListener('end', () => { events.close(); say('The run has ended. The page no longer changes.'); disable() })
const buttons = [...document.querySelectorAll('button[data-action]')]
const disable = () => { for (const button of buttons) button.disabled = true }
for (const button of buttons) {
  button.addEventListener('click', async () => {
    const { action } = button.dataset
    if (action === 'stop' && !window.confirm('Save a checkpoint and stop the run?')) return
    button.disabled = true
    const answer = await fetch(action, { method: 'POST' }).catch(() => null)
    say(answer !== null && answer.ok ? await answer.text() : 'The program did not accept the request.')
    if (action === 'save') button.disabled = false
  })
}
`
