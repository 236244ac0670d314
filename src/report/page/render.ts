/** The form of a page: one file of HTML that needs nothing else. */
import { drawLineChart } from './chart/line-chart.ts'
import { code, digest, type Html, html, type Part, renderHtml } from './html.ts'
import type { Block, Cell, ChartFigure, Column, Fact, Page, PictureFigure, Section, Table } from './model.ts'
import { stylesheet } from './stylesheet.ts'

/**
 * Whatever stood in a page by mistake could neither run nor load anything: only pictures that are part of the page, and styles, are
 * allowed.
 */
const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

/** How every page begins, by which an earlier one is known. */
export const pageStart = /^<!doctype html>\n<html lang="en" data-videomae-report=/

/** @returns a document: the same page gives the same text */
export function renderPage({ kind, title, lead, sections, sources }: Page): string {
  const body = html`<header><p class="kind">${kind}</p><h1>${title}</h1>${lead.map((text) => html`<p class="lead">${text}</p>`)}</header>
<nav aria-label="Contents"><ul>${sections.map(({ heading }, i) => html`<li><a href="#part-${i + 1}">${heading}</a></li>`)}</ul></nav>
<main>${sections.map(renderSection)}</main>
<footer><p>Made by <code>videomae report</code> from ${sources.length === 1 ? 'this file' : 'these files'}. The page loads no files and runs no scripts.</p>
<ul class="sources">${sources.map(({ file, sha256 }) => html`<li>${code(file)} <span class="digest">SHA-256 ${digest(sha256)}</span></li>`)}</ul></footer>`
  const document = html`<!doctype html>
<html lang="en" data-videomae-report="${kind}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${stylesheet}
</head>
<body>
${body}
</body>
</html>
`
  return renderHtml(document)
}

/** The blocks of a section that is in a page of its own making. */
export function renderBlocks(blocks: readonly Block[]): Html {
  return html`${blocks.map(renderBlock)}`
}

function renderSection({ heading, blocks }: Section, i: number): Html {
  const id = `part-${i + 1}`
  return html`
<section aria-labelledby="${id}"><h2 id="${id}">${heading}</h2>${blocks.map(renderBlock)}</section>`
}

function renderBlock(block: Block): Html {
  switch (block.kind) {
    case 'text':
      return html`<p>${block.text}</p>`
    case 'warning':
      return html`<p class="warning"><strong>Note:</strong> ${block.text}</p>`
    case 'list':
      return html`<ul>${block.items.map((item) => html`<li>${item}</li>`)}</ul>`
    case 'facts':
      return html`<dl class="facts">${block.facts.map(renderFact)}</dl>`
    case 'commands':
      return html`<pre tabindex="0"><code>${block.commands.map((command) => html`${command}\n`)}</code></pre>`
    case 'table':
      return renderTable(block)
    case 'chart':
      return renderChart(block)
    case 'drawn':
      return html`<figure>${block.wide}${block.narrow}<figcaption>${block.caption}</figcaption></figure>`
    case 'pictures':
      return renderPictures(block)
    case 'fold':
      return html`<details${block.open === true ? html` open` : null}><summary>${block.summary}</summary>${block.blocks.map(renderBlock)}</details>`
  }
}

function renderFact({ label, value, note }: Fact): Html {
  return html`<div><dt>${label}</dt><dd>${value}${note === undefined ? null : html`<small>${note}</small>`}</dd></div>`
}

/** A table that is wider than the page is scrolled alone, by keys, too. */
function renderTable({ caption, columns, rows, note }: Table): Html {
  return html`<div class="table" role="region" aria-label="${columns.map(({ title }) => title).join(', ')}" tabindex="0"><table><caption><span>${caption}</span></caption>
<thead><tr>${columns.map(renderHead)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((cell, i) => renderCell(cell, columns[i], i))}</tr>\n`)}</tbody></table></div>${
    note === undefined ? null : html`<p class="note">${note}</p>`
  }`
}

function renderHead({ title, align, upright = false }: Column): Html {
  if (upright) return html`<th scope="col" class="number upright"><span><bdi>${title}</bdi></span></th>`
  return html`<th scope="col"${classOf(align)}>${title}</th>`
}

const classOf = (align: Column['align']): Html | null => (align === 'number' ? html` class="number"` : null)

function renderCell(cell: Cell, { align }: Column, i: number): Html {
  if (i === 0) return html`<th scope="row"${classOf(align)}>${contentOf(cell)}</th>`
  const shade = isShaded(cell) ? html` style="--shade: ${cell.shade.toFixed(3)}"` : null
  return html`<td${classOf(align)}${shade}>${contentOf(cell)}</td>`
}

function isShaded(cell: Cell): cell is { readonly value: Part; readonly shade: number } {
  return typeof cell === 'object' && cell !== null && 'shade' in cell
}

const contentOf = (cell: Cell): Part => (isShaded(cell) ? cell.value : cell)

function renderChart({ chart, caption, text }: ChartFigure): Html {
  return html`<figure>${drawLineChart(chart, text, 'wide')}${drawLineChart(chart, text, 'narrow')}<figcaption>${caption}</figcaption></figure>`
}

function renderPictures({ pictures, caption, large = false }: PictureFigure): Html {
  return html`<figure class="pictures${large ? ' large' : ''}"><div>${pictures.map(
    ({ source, still, width, height, text, caption }) =>
      html`<figure><picture><source media="(prefers-reduced-motion: reduce), print" srcset="${still}"><img src="${source}" width="${width}" height="${height}" alt="${text}"></picture><figcaption>${caption}</figcaption></figure>`,
  )}</div><figcaption>${caption}</figcaption></figure>`
}
