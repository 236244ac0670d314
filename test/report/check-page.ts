/** Reads a page strictly, as no browser does: what is wrong with its form, and its text. */

const empty = new Set(['meta', 'img', 'source', 'wbr', 'br'])

export interface CheckedPage {
  /** What is wrong, one line each. */
  readonly problems: readonly string[]
  /** The text between the tags, entities decoded. */
  readonly text: string
  /** Names of all elements, in order. */
  readonly elements: readonly string[]
}

export function checkPage(page: string): CheckedPage {
  const problems: string[] = []
  const elements: string[] = []
  const open: string[] = []
  const ids: string[] = []
  const references: string[] = []
  let text = ''
  const body = page.replace(/^<!doctype html>\n/, '').replace(/<style>[^<]*<\/style>/, '')
  if (body.length === page.length) problems.push('no doctype and no style')
  for (const piece of body.match(/<[^>]*>?|[^<]+/g) ?? []) {
    if (!piece.startsWith('<')) {
      if (/&(?!(?:amp|lt|gt|quot|#39);)/.test(piece)) problems.push(`a bare & in ${piece}`)
      text += decoded(piece)
      continue
    }
    const closing = /^<\/([a-z0-9]+)>$/.exec(piece)
    if (closing !== null) {
      const expected = open.pop()
      if (expected !== closing[1]) problems.push(`</${closing[1]}> closes <${expected}>`)
      continue
    }
    const [, element, attributes, self] = /^<([a-z0-9]+)((?:\s+[a-zA-Z:-]+(?:="[^"<]*")?)*)\s*(\/?)>$/.exec(piece) ?? []
    if (element === undefined) {
      problems.push(`no tag: ${piece.slice(0, 200)}`)
      continue
    }
    elements.push(element)
    const given = new Map(
      [...attributes.matchAll(/([a-zA-Z:-]+)(?:="([^"]*)")?/g)].map(([, name, value = '']) => [name, value]),
    )
    problems.push(...problemsOf(element, given))
    if (given.has('id')) ids.push(given.get('id') ?? '')
    const reference = given.get('aria-labelledby') ?? (element === 'a' ? given.get('href')?.slice(1) : undefined)
    if (reference !== undefined) references.push(reference)
    if (self === '' && !empty.has(element)) open.push(element)
  }
  if (open.length > 0) problems.push(`not closed: ${open.join(', ')}`)
  if (new Set(ids).size < ids.length) problems.push('an id is there twice')
  for (const reference of references) if (!ids.includes(reference)) problems.push(`nothing has the id ${reference}`)
  for (const [, table] of page.matchAll(/<table>(.*?)<\/table>/gs)) {
    if (!/^<caption>./.test(table)) problems.push('a table without a caption')
    const widths = [...table.matchAll(/<tr>(.*?)<\/tr>/gs)].map(([, row]) => row.match(/<t[hd][ >]/g)?.length)
    if (new Set(widths).size > 1) problems.push(`a table with rows of ${[...new Set(widths)].join(' and ')} cells`)
  }
  const levels = elements.flatMap((element) => (/^h\d$/.test(element) ? [Number(element[1])] : []))
  if (levels[0] !== 1 || levels.slice(1).some((level) => level !== 2)) problems.push(`headings ${levels.join(' ')}`)
  if (Buffer.byteLength(page) > 3_000_000) problems.push(`${Buffer.byteLength(page)} bytes`)
  return { problems, text, elements }
}

function problemsOf(element: string, given: ReadonlyMap<string, string>): string[] {
  const problems: string[] = []
  if (['script', 'iframe', 'object', 'embed', 'link', 'base', 'form', 'foreignobject'].includes(element))
    problems.push(`an element ${element}`)
  for (const [name, value] of given) {
    if (/^on/i.test(name)) problems.push(`an attribute ${name}`)
    if (/^(?:src|srcset)$/.test(name) && !/^data:image\/(?:png|webp|jpeg);base64,[A-Za-z0-9+/]+=*$/.test(value))
      problems.push(`${name} ${value.slice(0, 80)}`)
    if (name === 'href' && !/^#part-\d+$/.test(value)) problems.push(`href ${value}`)
    if (name === 'style' && !/^--shade: [01]\.\d{3}$/.test(value)) problems.push(`style ${value}`)
  }
  if (element === 'img' && (given.get('alt') ?? '') === '') problems.push('a picture without text')
  if (element === 'svg' && (given.get('aria-label') ?? '').length < 20) problems.push('a drawing without text')
  if (element === 'th' && !given.has('scope')) problems.push('a header cell without a scope')
  return problems
}

function decoded(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}

/** Names as an attacker, or a careless person, gives them. */
export const hostileNames: readonly string[] = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</style></svg></table><h1>mine</h1>',
  '<!-- ',
  ']]>',
  '&lt;b&gt; &amp &#60;',
  '\u202egpj.exe\u2066 \u200fabc',
  'two\nlines\r\nand\ttabs',
  'nul\0 and bell\u0007',
  'half \ud800 a pair',
  '{{7*7}} <%= 7*7 %> `x`',
  'javascript:alert(1)',
  `${'long '.repeat(400)}name`,
  'x'.repeat(3000),
  ' ',
  'חתול מצחיק',
]
