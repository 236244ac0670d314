/** Text of any origin for a terminal: names of files and classes, and what strangers wrote into files. */

/** Control characters, separators of lines, and what reorders the text around it. */
const unsafe = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** One line that moves no cursor and looks like no other line: `?` stands for what would. */
export function printable(text: string): string {
  return text.replaceAll(unsafe, '?')
}

/** As `printable`, for text whose line ends and tabs are meant. */
export function printableLines(text: string): string {
  return text.replaceAll(unsafe, (found) => (found === '\n' || found === '\t' ? found : '?'))
}

/** Text whose bytes are meant, such as a table: what a terminal would obey becomes `?` where one shows it; a file or a program gets all. */
export function textFor(stream: { readonly isTTY?: boolean }, text: string): string {
  return stream.isTTY === true ? printableLines(text) : text
}
