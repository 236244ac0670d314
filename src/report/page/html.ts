/** HTML that escapes by default: only what a template of this program says is markup. */

const markup = Symbol('markup')

/** Markup that can stand in a page as it is. Only `html` makes it. */
export interface Html {
  readonly [markup]: string
}

/** What a template may hold. Text is escaped; nothing is printed for null, undefined and false. */
export type Part = Html | string | number | null | undefined | false | readonly Part[]

/**
 * A template of HTML or SVG. Every value is escaped, for content and for attributes in double quotes alike, unless another template
 * made it.
 */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { [markup]: strings.map((text, i) => text + (i < parts.length ? textOf(parts[i]) : '')).join('') }
}

/** The text of a document. */
export function renderHtml(document: Html): string {
  return document[markup]
}

function isHtml(part: Html | readonly Part[]): part is Html {
  return markup in part
}

function textOf(part: Part): string {
  if (part === null || part === undefined || part === false) return ''
  if (typeof part === 'string') return escapeHtml(part)
  if (typeof part === 'number') return String(part)
  return isHtml(part) ? part[markup] : part.map(textOf).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return visible(text).replaceAll(/[&<>"']/g, (character) => entities[character])
}

/**
 * Characters that are not seen but change what is: control characters (a newline in a name, too), lone surrogates, and the marks
 * that turn the direction of text around.
 */
const hidden = /[\p{Cc}\p{Cs}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

/** The text with an escape such as `\n` or `\u202e` in the place of each character that is not seen. */
export function visible(text: string): string {
  return text.replaceAll(hidden, (character) =>
    character === '\n' ? '\\n' : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** At most `length` characters, whole ones; the end gives way to an ellipsis. */
export function shortened(text: string, length: number): string {
  const characters = [...visible(text)]
  return characters.length <= length ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`
}

/**
 * Names of at most `length` characters that stay different. Where names that lose their end look the same, the long ones lose what they
 * all begin with, then their middle; those that still look the same are numbered.
 */
export function shortenedApart(names: readonly string[], length: number): string[] {
  const shown = names.map((name) => shortened(name, length))
  if (new Set(shown).size === new Set(names).size) return shown
  const whole = names.map((name) => [...visible(name)])
  const common = commonStart(whole.filter((name) => name.length > length))
  const cut = whole.map((name) =>
    name.length > length ? withoutMiddle(['…', ...name.slice(common)], length) : name.join(''),
  )
  return cut.map((name, i) => {
    const number = ` ${i + 1}`
    const same = cut.filter((other) => other === name).length > 1
    return same ? `${shortened(name, length - number.length)}${number}` : name
  })
}

/** How many characters all names begin with, whole words of them. */
function commonStart([first = [], ...others]: readonly (readonly string[])[]): number {
  let end = 0
  for (let i = 0; i < first.length && others.every((other) => other[i] === first[i]); i++)
    if (/[-_/\\ ]/.test(first[i])) end = i + 1
  return end
}

function withoutMiddle(characters: readonly string[], length: number): string {
  if (characters.length <= length) return characters.join('')
  const start = Math.ceil(length / 3)
  return `${characters.slice(0, start).join('')}…${characters.slice(start + 1 - length).join('')}`
}

/** A name from a file: isolated, so that text from right to left in it does not reorder what is next to it. */
export function isolated(text: string): Html {
  return html`<bdi>${text}</bdi>`
}

/** A file name, a path or a digest. */
export function code(text: string): Html {
  return html`<code><bdi>${text}</bdi></code>`
}

/** A SHA-256, which may be broken into lines. */
export function digest(text: string): Html {
  return html`<code>${(visible(text).match(/.{1,16}/gsu) ?? []).map((part, i) => html`${i === 0 ? null : html`<wbr>`}${part}`)}</code>`
}

/** A value with something smaller below it, such as its interval. */
export function withBelow(value: Part, below: Part): Html {
  return html`${value} <small>${below}</small>`
}
