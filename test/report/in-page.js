/** Runs in a page, not in Node.js: `lookAtPage` and `markControls` of look-at-page.ts call what is defined here. */

const colorOf = (text) => {
  const [r = 0, g = 0, b = 0, a = 1] = (text.match(/[\d.]+/g) ?? []).map(Number)
  return [r, g, b, a]
}
const over = (top, under) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * under[i])

/** WCAG 2.1, relative luminance. */
const luminance = (color) => {
  const [r, g, b] = color.map((value) =>
    value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
  )
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
const contrast = (a, b) => {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x)
  return (high + 0.05) / (low + 0.05)
}

const ancestors = (element) => (element === null ? [] : [element, ...ancestors(element.parentElement)])
const styleOf = (element) => getComputedStyle(element)
const groundOf = (element) =>
  ancestors(element).reduceRight((under, each) => over(colorOf(styleOf(each).backgroundColor), under), [255, 255, 255])
const scrolls = (element) => /auto|scroll/.test(styleOf(element).overflowX)
const isSeen = (element) => element.checkVisibility({ visibilityProperty: true })

function ratioOf(element) {
  const opacity = ancestors(element).reduce((all, each) => all * Number(styleOf(each).opacity), 1)
  const { color, fill } = styleOf(element)
  const [r, g, b, a] = colorOf(element.closest('svg') === null ? color : fill)
  const ground = groundOf(element)
  return contrast(over([r, g, b, a * opacity], ground), ground)
}

/** Every text that is seen, with its element and its position. */
function textsOf() {
  const texts = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement
    const text = node.textContent.trim()
    if (text === '' || element.matches('script, style') || !isSeen(element)) continue
    const range = document.createRange()
    range.selectNodeContents(node)
    texts.push({ text: text.slice(0, 80), element, box: range.getBoundingClientRect() })
  }
  return texts
}

function isCut({ element, box }) {
  const cutting = ancestors(element).filter(
    (each) => /hidden|clip/.test(styleOf(each).overflow) && !each.matches('svg'),
  )
  return cutting
    .map((each) => each.getBoundingClientRect())
    .some(({ right, bottom, top }) => box.right > right + 1 || box.bottom > bottom + 1 || box.top < top - 1)
}

/** Texts of a drawing that lie outside of it or on each other. */
function drawingFaults(drawing) {
  const frame = drawing.getBoundingClientRect()
  const texts = [...drawing.querySelectorAll('text')].map((each) => [each.textContent, each.getBoundingClientRect()])
  const outside = texts.flatMap(([name, { left, right, top, bottom }]) => {
    const inside = left > frame.left - 1 && right < frame.right + 1 && top > frame.top - 2 && bottom < frame.bottom + 2
    return inside ? [] : [`in a drawing: ${name}`]
  })
  const covered = texts.flatMap(([name, box], i) =>
    texts.slice(i + 1).flatMap(([other, { left, right, top, bottom }]) => {
      const [wide, high] = [
        Math.min(box.right, right) - Math.max(box.left, left),
        Math.min(box.bottom, bottom) - Math.max(box.top, top),
      ]
      return wide > 1 && high > 3 ? [`${name} | ${other}`] : []
    }),
  )
  return { outside, covered }
}

globalThis.lookAtPage = () => {
  const texts = textsOf()
  const drawings = [...document.querySelectorAll('svg')].filter(isSeen).map(drawingFaults)
  const faint = texts.map(({ text, element }) => [ratioOf(element), text]).filter(([ratio]) => ratio < 4.495)
  const beyond = texts.filter(({ element, box }) => {
    return !ancestors(element.parentElement).some(scrolls) && (box.right > innerWidth + 1 || box.left < -1)
  })
  const { scrollWidth } = document.documentElement
  return {
    texts: texts.length,
    faint: faint.map(([ratio, text]) => `${ratio.toFixed(2)}: ${text}`),
    beyond: [
      ...beyond.map(({ text }) => text),
      ...drawings.flatMap(({ outside }) => outside),
      ...(scrollWidth > innerWidth ? [`the page: ${scrollWidth} pixels of ${innerWidth}`] : []),
    ],
    cut: texts.filter(isCut).map(({ text }) => text),
    covered: drawings.flatMap(({ covered }) => covered),
  }
}

/** Marks what the keyboard must reach: controls, and what can be scrolled. */
globalThis.markControls = () => {
  const wanted = [...document.querySelectorAll('body *')].filter(
    (each) =>
      isSeen(each) &&
      (each.matches('a[href], button:enabled, summary, [tabindex]') ||
        (scrolls(each) && each.scrollWidth > each.clientWidth + 1)),
  )
  for (const each of wanted) each.dataset.wanted = ''
  return wanted.length
}

/** Takes the mark from what has the focus, if that can be seen. */
globalThis.noteFocus = () => {
  const { outlineStyle, outlineWidth } = styleOf(document.activeElement)
  if (outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1) delete document.activeElement.dataset.wanted
}

globalThis.missedControls = () =>
  [...document.querySelectorAll('[data-wanted]')].map((each) => each.outerHTML.slice(0, 120))
