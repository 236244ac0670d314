/** What a page consists of. Its form is in `render.ts`: whoever makes a page says what, not how. */
import type { LineChart } from './chart/line-chart.ts'
import type { Html, Part } from './html.ts'

export interface Page {
  /** What kind of result it is about, such as `certificate`. */
  readonly kind: string
  readonly title: string
  /** The first sentences: what somebody has to know who reads nothing else. */
  readonly lead: readonly Part[]
  readonly sections: readonly Section[]
  /** What the page was made from, with digests. */
  readonly sources: readonly SourceFile[]
}

export interface SourceFile {
  readonly file: string
  /** SHA-256, hexadecimal. */
  readonly sha256: string
}

export interface Section {
  readonly heading: string
  readonly blocks: readonly Block[]
}

export type Block =
  | { readonly kind: 'text'; readonly text: Part }
  /** What a reader must not overlook. */
  | { readonly kind: 'warning'; readonly text: Part }
  | { readonly kind: 'list'; readonly items: readonly Part[] }
  | { readonly kind: 'facts'; readonly facts: readonly Fact[] }
  | { readonly kind: 'commands'; readonly commands: readonly string[] }
  | Table
  | ChartFigure
  | DrawnFigure
  | PictureFigure
  /** Details that open on request. */
  | { readonly kind: 'fold'; readonly summary: Part; readonly open?: boolean; readonly blocks: readonly Block[] }

/** A number or a few words with what they mean. */
export interface Fact {
  readonly label: string
  readonly value: Part
  readonly note?: Part
}

export interface Column {
  readonly title: string
  /** Numbers stand to the right. Default: text. */
  readonly align?: 'number'
  /** The title is upright, where there are many columns. */
  readonly upright?: boolean
}

export interface Table {
  readonly kind: 'table'
  readonly caption: Part
  readonly columns: readonly Column[]
  /** The first cell of a row names it. */
  readonly rows: readonly (readonly Cell[])[]
  /** Said below the table, for instance how many rows were left out. */
  readonly note?: Part
}

/** `shade`, from 0 to 1, colors the cell: the number is there, too. */
export type Cell = Part | { readonly value: Part; readonly shade: number }

export interface ChartFigure {
  readonly kind: 'chart'
  readonly chart: LineChart
  readonly caption: Part
  /** What the picture shows, for those who do not see it. */
  readonly text: string
}

/** A picture that is drawn elsewhere, as SVG of class `wide` or `narrow`. */
export interface DrawnFigure {
  readonly kind: 'drawn'
  readonly wide: Html
  /** For a phone; default: the same. */
  readonly narrow?: Html
  readonly caption: Part
}

/** Pictures next to each other. */
export interface PictureFigure {
  readonly kind: 'pictures'
  /** One below the other. Default: next to each other. */
  readonly large?: boolean
  readonly pictures: readonly PagePicture[]
  readonly caption: Part
}

export interface PagePicture {
  /** `data:` address of the picture, and of a still one for those who want no motion. */
  readonly source: string
  readonly still: string
  readonly width: number
  readonly height: number
  readonly text: string
  readonly caption: Part
}
