/** What is predicted as what. */
import { drawHeatMap } from '../../page/chart/heat-map.ts'
import { html, isolated } from '../../page/html.ts'
import type { Block, Cell } from '../../page/model.ts'
import { counted, percentText } from '../../page/numbers.ts'
import type { Evaluated } from './facts.ts'

/** Classes of a matrix that is shown as a table. */
const mostColumns = 16
const mostPairs = 25

export function confusionBlocks(matrix: Evaluated['confusion']): Block[] {
  if (matrix === null) return [{ kind: 'text', text: 'The confusion matrix is missing (confusion.json).' }]
  const { labels, confusion } = matrix
  const totals = confusion.map((row) => row.reduce((a, b) => a + b, 0))
  const shares = confusion.map((row, i) => row.map((count) => (totals[i] === 0 ? 0 : count / totals[i])))
  return [
    ...(labels.length <= mostColumns ? [matrixTable(labels, confusion, shares)] : heatBlocks(labels, shares)),
    ...pairBlocks(labels, confusion, totals),
  ]
}

function matrixTable(
  labels: readonly string[],
  confusion: readonly (readonly number[])[],
  shares: readonly (readonly number[])[],
): Block {
  const upright = labels.length > 6 || labels.some((label) => label.length > 14)
  return {
    kind: 'table',
    caption:
      'Confusion matrix: videos of each true class (rows) by predicted class (columns). A stronger color means a larger share of the row',
    columns: [{ title: 'true class' }, ...labels.map((title) => ({ title, align: 'number' as const, upright }))],
    rows: confusion.map((row, i): Cell[] => [
      isolated(labels[i]),
      ...row.map((count, j) => ({
        value: count === 0 ? html`<span class="zero">0</span>` : count,
        shade: shares[i][j],
      })),
    ]),
  }
}

function heatBlocks(labels: readonly string[], shares: readonly (readonly number[])[]): Block[] {
  const found = shares.map((row, i) => row[i])
  const mean = found.reduce((a, b) => a + b, 0) / found.length
  const wide = drawHeatMap(
    shares,
    `Confusion matrix of ${labels.length} classes. On average ${percentText(mean)} of a class are on the diagonal. The table below has the most frequent confusions.`,
  )
  if (wide === null) return []
  return [
    {
      kind: 'drawn',
      wide,
      caption: `Confusion matrix of ${labels.length} classes, in the order of the classifier: rows are true classes, columns predictions. A stronger color means a larger share of the row. A strong diagonal is good.`,
    },
  ]
}

function pairBlocks(
  labels: readonly string[],
  confusion: readonly (readonly number[])[],
  totals: readonly number[],
): Block[] {
  const pairs = confusion
    .flatMap((row, i) => row.map((count, j) => ({ i, j, count })))
    .filter(({ i, j, count }) => i !== j && count > 0)
    .sort((a, b) => b.count - a.count || a.i - b.i || a.j - b.j)
  if (pairs.length === 0) return [{ kind: 'text', text: 'No video was classified as another class.' }]
  const shown = pairs.slice(0, labels.length <= mostColumns ? 8 : mostPairs)
  return [
    {
      kind: 'table',
      caption: 'Most frequent confusions',
      columns: [
        { title: 'true class' },
        { title: 'predicted as' },
        { title: 'videos', align: 'number' },
        { title: 'of the class', align: 'number' },
      ],
      rows: shown.map(({ i, j, count }) => [
        isolated(labels[i]),
        isolated(labels[j]),
        count,
        percentText(count / totals[i]),
      ]),
      note:
        pairs.length > shown.length
          ? `${counted(pairs.length - shown.length, 'more pair')} of classes in confusion.json.`
          : undefined,
    },
  ]
}
