/** Characters that no XML document may have, not even escaped: control characters, halves of surrogate pairs, two that are none. */
const impossible = /(?![\t\n\r])\p{Cc}|[\p{Cs}\ufffe\uffff]/gu

/** `text` as content or attribute of XML, for example of an SVG; U+FFFD stands for what XML cannot hold. */
export const escapeXml = (text: string): string =>
  text
    .replaceAll(impossible, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
