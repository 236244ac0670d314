import { html } from './html.ts'

/**
 * The one stylesheet of all pages. Colors are pairs of light and dark; text has a contrast of at least 4.5 to 1, lines of charts one of
 * 3 to 1. The colors of curves can be told apart with any kind of color vision, and every curve has a pattern and a label, too.
 */
export const stylesheet = html`<style>
:root {
  color-scheme: light dark;
  --paper: #ffffff; --soft: #f5f6f8; --line: #dfe2e7; --grid: #eceef1;
  --ink: #16191d; --ink-2: #505862; --link: #0a5a9c; --warn: #8a4b00; --warn-soft: #fdf4e7;
  --heat: 0 114 178;
  --s0: #0072b2; --s1: #c24e00; --s2: #007a5a; --s3: #a8437f; --s4: #7d6300; --s5: #4c5560;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --soft: #1d2025; --line: #343941; --grid: #272b31;
    --ink: #e9ebee; --ink-2: #a9b0b9; --link: #7cc0f5; --warn: #f2b866; --warn-soft: #2a2317;
    --heat: 0 114 178;
    --s0: #56b4e9; --s1: #ff9a5c; --s2: #2fc79b; --s3: #e79ac6; --s4: #e2cf4f; --s5: #b5bcc6;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3.5rem 1.25rem 4rem; max-width: 56rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
h1 { margin: 0 0 1.1rem; font-size: 2rem; line-height: 1.2; letter-spacing: -0.015em; font-weight: 650; text-wrap: balance; }
h2 { margin: 0 0 0.9rem; font-size: 1.25rem; line-height: 1.3; letter-spacing: -0.005em; font-weight: 650; }
p, ul { margin: 0 0 1rem; max-width: 46rem; }
li { margin-bottom: 0.3rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.kind { margin: 0 0 0.5rem; color: var(--ink-2); font-size: 0.9rem; text-transform: lowercase; font-variant-caps: all-small-caps; letter-spacing: 0.06em; }
.lead { font-size: 1.125rem; }
nav ul { max-width: none; display: flex; flex-wrap: wrap; gap: 0.3rem 1.25rem; margin: 1.75rem 0 0; padding: 0.7rem 0; list-style: none; border-block: 1px solid var(--line); font-size: 0.9rem; }
nav li { margin: 0; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { margin-top: 3rem; }
code { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
pre { margin: 0 0 1rem; padding: 0.9rem 1.1rem; background: var(--soft); border-radius: 6px; overflow-x: auto; overflow-wrap: normal; }
small, .note, figcaption, caption, footer { color: var(--ink-2); font-size: 0.875rem; line-height: 1.5; }
.warning { max-width: none; padding: 0.7rem 1rem; background: var(--warn-soft); border-left: 3px solid var(--warn); border-radius: 3px; }
.warning strong { color: var(--warn); }

.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1.4rem 1.75rem; margin: 0 0 1.75rem; }
.facts dt { color: var(--ink-2); font-size: 0.875rem; }
.facts dd { margin: 0.1rem 0 0; font-size: 1.4rem; line-height: 1.3; font-weight: 600; }
.facts small { display: block; margin-top: 0.15rem; font-weight: 400; }

.table { margin: 0 0 1rem; overflow-x: auto; overflow-wrap: normal; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; line-height: 1.45; }
caption { padding-bottom: 0.5rem; text-align: left; }
caption span { display: block; max-width: min(46rem, calc(100vw - 2rem)); }
th, td { padding: 0.4rem 0.6rem 0.4rem 0; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--grid); }
th { font-weight: 500; }
tbody th { min-width: 8rem; overflow-wrap: anywhere; }
td small { display: block; color: inherit; font-size: 0.8125rem; }
thead th { color: var(--ink-2); vertical-align: bottom; border-bottom-color: var(--line); }
.number { text-align: right; padding-left: 0.6rem; white-space: nowrap; }
.number:last-child { padding-right: 0; }
.number + :not(.number) { padding-left: 1.25rem; }
thead .number { white-space: normal; }
tbody th.number { min-width: 0; }
.table td:last-child:not(.number) { min-width: 8rem; }
td[style] { padding-right: 0.6rem; padding-left: 0.6rem; background: rgb(var(--heat) / calc(0.72 * var(--shade))); }

.upright span { writing-mode: vertical-rl; transform: rotate(180deg); max-height: 9rem; overflow: hidden; }
.zero { color: var(--ink-2); }

figure { margin: 0 0 1.5rem; }
figcaption { margin-top: 0.5rem; }
svg { display: block; width: 100%; height: auto; font-family: inherit; font-size: 13px; }
svg text { fill: var(--ink-2); unicode-bidi: isolate; }
svg .label { fill: var(--ink); paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
svg .note { font-size: 12px; }
.narrow { display: none; max-width: 26rem; }
.grid { stroke: var(--grid); fill: none; }
.axis { stroke: var(--ink-2); fill: none; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.level { fill: none; stroke: var(--ink-2); stroke-width: 1.25; stroke-dasharray: 1 3; }
.leader { fill: none; stroke-width: 0.75; stroke-dasharray: 1 3; opacity: 0.7; }
.s0 { stroke: var(--s0); } .s1 { stroke: var(--s1); } .s2 { stroke: var(--s2); }
.s3 { stroke: var(--s3); } .s4 { stroke: var(--s4); } .s5 { stroke: var(--s5); }
.dot { stroke: var(--paper); stroke-width: 1.5; }
.dot.s0 { fill: var(--s0); } .dot.s1 { fill: var(--s1); } .dot.s2 { fill: var(--s2); }
.dot.s3 { fill: var(--s3); } .dot.s4 { fill: var(--s4); } .dot.s5 { fill: var(--s5); }
.interval { stroke-width: 2; opacity: 0.55; fill: none; }
.heat { fill: var(--s0); }
.paper { fill: var(--soft); }
.square { max-width: 32rem; }
.pictures > div { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1.25rem; }
.pictures figure { margin: 0; }
.pictures img { display: block; width: auto; max-width: 100%; height: auto; border-radius: 4px; background: #fff; }
.pictures.large > div { grid-template-columns: 1fr; }

details { margin: 0 0 0.75rem; border-bottom: 1px solid var(--line); }
details[open] { padding-bottom: 0.5rem; }
summary { padding: 0.6rem 0; cursor: pointer; font-weight: 500; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); }
.sources { padding: 0; list-style: none; }
.sources .digest { display: block; }

@media (max-width: 40rem) {
  body { padding: 2rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  .lead { font-size: 1.05rem; }
  .facts { grid-template-columns: 1fr 1fr; }
  .wide { display: none; }
  .narrow { display: block; }
  section { margin-top: 2.25rem; }
}
@media print {
  :root {
    color-scheme: light;
    --paper: #ffffff; --soft: #f5f6f8; --line: #dfe2e7; --grid: #eceef1;
    --ink: #16191d; --ink-2: #505862; --link: #16191d; --warn: #8a4b00; --warn-soft: #fdf4e7;
    --s0: #0072b2; --s1: #c24e00; --s2: #007a5a; --s3: #a8437f; --s4: #7d6300; --s5: #4c5560;
  }
  @page { margin: 18mm 16mm; }
  html { font-size: 9.5pt; }
  p, ul { max-width: none; }
  body { max-width: none; padding: 0; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .wide { display: block; }
  .narrow, nav { display: none; }
  section { margin-top: 1.75rem; }
  h2, summary, caption, thead { break-after: avoid; }
  figure, tr, .facts div, .warning, .sources li { break-inside: avoid; }
  table:not(:has(tbody tr:nth-child(13))) { break-inside: avoid; }
  .table, pre { overflow: visible; white-space: pre-wrap; }
  details::details-content { content-visibility: visible; height: auto; display: block; }
}
</style>`
