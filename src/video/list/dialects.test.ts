/** Lists as public data sets, pandas, R, spreadsheets and shells write them. */
import { describe, expect, test } from 'vitest'
import { VideoMaeError } from '../../core/errors.ts'
import { type ListRow, type ParsedList, parseList } from './parse.ts'

const files = ['v/a.mp4', 'v/b.mp4', 'v/c d.mp4', '#1_e.mp4', 'f,g.mp4']

const list = (text: string): ParsedList => parseList(text, 'list', (name) => files.includes(name))

const rowsOf = (text: string): Omit<ListRow, 'line'>[] => list(text).rows.map(({ line: _, ...rest }) => rest)

const messageOf = (text: string): string => {
  try {
    list(text)
  } catch (error) {
    if (error instanceof VideoMaeError) return `${error.code} ${error.message}`
    throw error
  }
  return 'no error'
}

/** All lines of a list are accounted for. */
const accounted = (text: string): boolean => {
  const { total, ...counts } = list(text).lines
  return total === Object.values(counts).reduce((a, b) => a + b, 0)
}

const labeled = [
  { path: 'v/a.mp4', label: 'red' },
  { path: 'v/b.mp4', label: 'bright blue' },
]

describe('dialects', () => {
  test.each([
    ['pandas to_csv', ',path,label\n0,v/a.mp4,red\n1,v/b.mp4,bright blue\n'],
    ['pandas without index', 'path,label\nv/a.mp4,red\nv/b.mp4,bright blue\n'],
    ['pandas sep=" "', 'path label\nv/a.mp4 red\nv/b.mp4 "bright blue"\n'],
    ['pandas sep=" " without header', 'v/a.mp4 red\nv/b.mp4 "bright blue"\n'],
    ['pandas without header', '0,v/a.mp4,red\n1,v/b.mp4,bright blue\n'],
    ['R write.csv', '"","path","label"\n"1","v/a.mp4","red"\n"2","v/b.mp4","bright blue"\n'],
    ['R write.table', '"path" "label"\n"1" "v/a.mp4" "red"\n"2" "v/b.mp4" "bright blue"\n'],
    ['R write.table sep=","', '"path","label"\n"1","v/a.mp4","red"\n"2","v/b.mp4","bright blue"\n'],
    ['R write.csv2', '"";"path";"label"\n"1";"v/a.mp4";"red"\n"2";"v/b.mp4";"bright blue"\n'],
    ['Excel, German', 'Path;Label\r\nv/a.mp4;red\r\nv/b.mp4;bright blue\r\n;\r\n;\r\n'],
    ['Excel with sep=', 'sep=;\r\nPath;Label\r\nv/a.mp4;red\r\nv/b.mp4;bright blue\r\n'],
    ['Excel, text', 'File Name\tClass\r\nv/a.mp4\tred\r\nv/b.mp4\tbright blue\r\n'],
    ['columns in another order', 'label,video_path\nred,v/a.mp4\nbright blue,v/b.mp4\n'],
    ['label first, without header', 'red,v/a.mp4\nbright blue,v/b.mp4\n'],
    ['bars', 'path|label\nv/a.mp4|red\nv/b.mp4|bright blue\n'],
    ['NumPy header', '# label,path\nred,v/a.mp4\nbright blue,v/b.mp4\n'],
    ['old Mac line ends', 'path,label\rv/a.mp4,red\rv/b.mp4,bright blue\r'],
    ['both quoted, blanks', '"v/a.mp4" "red"\n"v/b.mp4" "bright blue"\n'],
    ['a name column next to', 'clip_name,clip_path,label\na,v/a.mp4,red\nb,v/b.mp4,bright blue\n'],
    ['a comment and empty lines', '# made by hand\n\npath,label\nv/a.mp4,red\n\nv/b.mp4,bright blue\n\n'],
    ['an unknown name for the path', 'where_it_is,label\nv/a.mp4,red\nv/b.mp4,bright blue\n'],
    ['an unknown name for the path, blanks', 'where_it_is label\nv/a.mp4 red\nv/b.mp4 "bright blue"\n'],
  ])('%s', (_, text) => {
    expect(rowsOf(text)).toEqual(labeled)
    expect(accounted(text)).toBe(true)
  })

  test.each([
    ['CSV', '"","path","label"\n"1","v/a.mp4","bright \\"red\\", now"\n'],
    ['blanks', '"path" "label"\n"1" "v/a.mp4" "bright \\"red\\", now"\n'],
    ['blanks without header', '"v/a.mp4" "bright \\"red\\", now"\n'],
    ['tabs', '"path"\t"label"\n"v/a.mp4"\t"bright \\"red\\", now"\n'],
  ])('quotes that R escapes with a backslash: %s', (_, text) => {
    expect(rowsOf(text)).toEqual([{ path: 'v/a.mp4', label: 'bright "red", now' }])
    expect(accounted(text)).toBe(true)
  })

  test('a certificate takes no list whose rows decide how quotes are read', () => {
    const text = 'path,label\nv/a.mp4,"say \\"so\\""\n'
    expect(() => parseList(text, 'list', (name) => name === 'v/a.mp4', true)).toThrow(
      expect.objectContaining({ code: 'LIST_FORM_OPEN', message: expect.stringMatching(/backslash/) }),
    )
  })

  test.each(
    'file_name file filepath file_path video_name clip_path video Filename video-path VideoPath "File Path" path'.match(
      /"[^"]*"|\S+/g,
    )!,
  )('%s is a path', (name) => {
    expect(rowsOf(`${name},label\nv/a.mp4,red\nv/b.mp4,bright blue\n`)).toEqual(labeled)
  })

  test('the lists of UCF101, HMDB51, Kinetics and Something-Something for VideoMAE', () => {
    expect(rowsOf('v/a.mp4 0\nv/c d.mp4 12\n')).toEqual([
      { path: 'v/a.mp4', label: '0' },
      { path: 'v/c d.mp4', label: '12' },
    ])
    expect(rowsOf('v/a.mp4 0 -1\nv/b.mp4 0 -1\n')).toEqual([{ path: 'v/a.mp4' }, { path: 'v/b.mp4' }])
    expect(rowsOf('v/a.mp4 0 -1 7\n')).toEqual([{ path: 'v/a.mp4', label: '7' }])
    expect(rowsOf('v/a.mp4, 3\n')).toEqual([{ path: 'v/a.mp4', label: '3' }])
    expect(messageOf('v/a.mp4 0 -1 7\nv/b.mp4 0 300 7\n')).toMatch(/list:2: .*frames 0 and 300/)
  })

  test('a line that begins with # is a video where that file exists', () => {
    const text = '#1_e.mp4 1\nv/a.mp4 2\n# v/b.mp4 2\n'
    expect(rowsOf(text)).toEqual([
      { path: '#1_e.mp4', label: '1' },
      { path: 'v/a.mp4', label: '2' },
    ])
    expect(list(text).warnings).toEqual([expect.stringMatching(/line 3 begins with # and names a video/)])
    expect(rowsOf('#1_e.mp4,1\n#x,2\n')).toEqual([{ path: '#1_e.mp4', label: '1' }])
  })

  test('a path that holds the separator exists as a whole', () => {
    expect(rowsOf('f,g.mp4\nv/a.mp4\n')).toEqual([{ path: 'f,g.mp4' }, { path: 'v/a.mp4' }])
  })
})

describe('annotations of Kinetics', () => {
  const text = 'label,youtube_id,time_start,time_end,split\nair drumming,-4ws,9,19,train\nzumba,_b,104,114,val\n'
  const rows = (there: readonly string[]) => parseList(text, 'list', (name) => there.includes(name))

  test.each([
    ['one folder', '-4ws_000009_000019.mp4', '_b_000104_000114.mp4'],
    ['classes', 'air drumming/-4ws_000009_000019.mp4', 'zumba/_b_000104_000114.webm'],
    ['parts and classes', 'train/air_drumming/-4ws_000009_000019.mp4', 'val/zumba/_b_000104_000114.mkv'],
  ])('name clips that are stored in %s', (_, first, second) => {
    const parsed = rows([first, second])
    expect(parsed.rows).toEqual([
      { line: 2, path: first, label: 'air drumming', split: 'train' },
      { line: 3, path: second, label: 'zumba', split: 'val' },
    ])
    expect(parsed.unused).toEqual([
      { name: 'time_start', why: 'the files are cut to it' },
      { name: 'time_end', why: 'the files are cut to it' },
      { name: 'youtube_id' },
    ])
  })

  test('name clips that are missing as they would be called', () => {
    expect(rows(['zumba/_b_000104_000114.mp4']).rows[0].path).toBe('-4ws_000009_000019.mp4')
  })

  test('cut whole videos, and say what is needed where there are neither', () => {
    expect(rows(['-4ws', '_b']).rows[0]).toMatchObject({ path: '-4ws', start: 9, end: 19 })
    expect(() => rows([])).toThrow(/list:1: .*ID_000010_000020\.mp4/)
    expect(() => parseList(text, 'list', (name) => name.endsWith('.mp4'), true)).toThrow(/list:1: .*paths of videos/)
  })

  test('keep rows with too many fields from being cut short', () => {
    expect(() => parseList(`${text}zumba,c,1,11,val,more\n`, 'list', (name) => name.endsWith('.mp4'))).toThrow(
      /paths of/,
    )
  })
})

test.each([
  ['Something-Something', '[{"id":"7","label":"a cup","template":"Holding [x]"}]', '.[] | [.id, .template] | @csv'],
  ['metadata.jsonl', '{"file_name": "a.mp4", "label": "{}"}\n{}', "jq -r '[.file_name, .label] | @csv'"],
  ['a path alone', '[{"video": "a"}]', "echo 'path'; jq -r '.[] | [.video] | @csv'"],
])('JSON is refused with a command that makes a list of it: %s', (_, text, command) => {
  expect(() => list(text)).toThrow(
    expect.objectContaining({ code: 'MANIFEST_INVALID', hint: expect.stringContaining(command) }),
  )
})

test('keys that a shell would read otherwise are in no command', () => {
  expect(() => list('[{"pa\'th": 1, "label": 2}]')).toThrow(
    expect.objectContaining({ hint: 'Write it as a CSV file with the columns path,label.' }),
  )
})

describe('columns', () => {
  const columnsOf = (text: string) => list(text).columns.map(({ role, name }) => `${role}: ${name}`)
  const unusedOf = (text: string) => list(text).unused.map(({ name }) => name)

  test('every column is used or named', () => {
    const text = 'file_name,label,subject,camera,comment\nv/a.mp4,red,s1,left,\nv/b.mp4,blue,s2,left,x\n'
    expect(columnsOf(text).sort()).toEqual(['group: subject', 'label: label', 'path: file_name'])
    expect(unusedOf(text)).toEqual(['camera', 'comment'])
  })

  test('parts: seconds, clock times, milliseconds, lengths, frames with their rate', () => {
    const part = (header: string, values: string) => {
      const [{ start, end }] = rowsOf(`path;${header}\nv/a.mp4;${values}`)
      return [start, end]
    }
    expect(part('start_time;end_time', '0.2;0.6')).toEqual([0.2, 0.6])
    expect(part('Start (s);End (s)', '0,2;0,6')).toEqual([0.2, 0.6])
    expect(part('start_timestamp;stop_timestamp', '00:01:02.5;1:03')).toEqual([62.5, 63])
    expect(part('start_ms;end_ms', '1500;2500')).toEqual([1.5, 2.5])
    expect(part('start;duration', '1.5;2')).toEqual([1.5, 3.5])
    expect(part('duration', '2')).toEqual([undefined, undefined])
    expect(part('begin;end', ';-1')).toEqual([undefined, undefined])
    expect(part('start;end', 'NA;3')).toEqual([undefined, 3])
    // Frames 10 to 19 of 10 frames a second: from half a frame before the tenth.
    expect(part('start_frame;end_frame;fps', '10;20;10')).toEqual([0.95, 1.95])
    expect(part('start_frame;num_frames;fps', '0;20;10')).toEqual([0, 1.95])
    expect(messageOf('path,start_frame\nv/a.mp4,3')).toMatch(/list:1: expected a column fps next to start_frame/)
    expect(messageOf('path,start\nv/a.mp4,soon')).toMatch(/list:2: expected start in seconds/)
    expect(unusedOf('path,duration,num_frames,fps\nv/a.mp4,3,75,25')).toEqual(['fps', 'duration', 'num_frames'])
  })

  test.each(['split', 'set', 'subset', 'partition', 'fold', 'Official Split'])('%s is a split', (name) => {
    expect(rowsOf(`path,${name}\nv/a.mp4,train\nv/b.mp4,val`).map(({ split }) => split)).toEqual(['train', 'val'])
  })

  test('numbers and names of folds are folds, and no split', () => {
    const { columns, rows, warnings } = list('path,Fold\nv/a.mp4,1\nv/b.mp4,house B\nv/a.ts,NA')
    expect(columns).toEqual([expect.anything(), { role: 'fold', name: 'Fold' }])
    expect(rows.map(({ split, fold }) => [split, fold])).toEqual([
      [undefined, '1'],
      [undefined, 'house B'],
      [undefined, undefined],
    ])
    expect(warnings).toEqual([])
  })

  test('together with a split, whatever a column of folds says is a fold', () => {
    const beside = 'path,split,fold\nv/a.mp4,train,test\nv/b.mp4,test,2'
    expect(rowsOf(beside).map(({ split, fold }) => [split, fold])).toEqual([
      ['train', 'test'],
      ['test', '2'],
    ])
    // The header decides it, whatever is in the rows.
    expect(rowsOf('path,split,fold\nv/a.mp4,,test\nv/b.mp4,,2').map(({ split }) => split)).toEqual([
      undefined,
      undefined,
    ])
  })

  test('numbers in other columns of parts are no split: said', () => {
    const { columns, warnings } = list('path,phase\nv/a.mp4,1\nv/b.mp4,2')
    expect(columns).toHaveLength(1)
    expect(warnings).toEqual([expect.stringMatching(/phase is not used: its values \(1, 2\) are not train/)])
  })

  test('an empty column of folds is as if it were not there: said', () => {
    expect(list('path,fold\nv/a.mp4,\nv/b.mp4,\n').unused).toEqual([
      { name: 'fold', why: expect.stringMatching(/empty/) },
    ])
  })

  test('rows are judged by themselves: a number of a fold is none among parts', () => {
    const { rows, warnings } = list('path,fold\nv/a.mp4,1\nv/b.mp4,test')
    expect(rows.map(({ split }) => split)).toEqual([undefined, 'test'])
    expect(warnings).toEqual([
      expect.stringMatching(/column fold mixes parts of a split \(test, line 3\) and folds \(1, line 2\)/),
    ])
    expect(rowsOf('path,split\nv/a.mp4,1\nv/b.mp4,test').map(({ split }) => split)).toEqual(['1', 'test'])
  })

  test('an empty split is as if it were not there: said', () => {
    const { rows, unused } = list('path,split\nv/a.mp4,\nv/b.mp4,\n')
    expect(rows.every(({ split }) => split === undefined)).toBe(true)
    expect(unused).toEqual([{ name: 'split', why: expect.stringMatching(/empty/) }])
  })

  test('names near to those that change what is learned are refused', () => {
    expect(messageOf('path,label,subjct\nv/a.mp4,red,1')).toMatch(/list:1: .*subjct is similar to subject \(group\)/)
    expect(messageOf('path,label,strat_time\nv/a.mp4,red,1')).toMatch(/similar to starttime/)
    expect(messageOf('path,label,spilt\nv/a.mp4,red,train')).toMatch(/similar to split/)
    expect(list('path,label,my_split\nv/a.mp4,red,1').warnings).toEqual([expect.stringMatching(/my_split is not used/)])
  })

  test('two columns for one thing are refused, unless one name says it more clearly', () => {
    expect(messageOf('path,subject,person\nv/a.mp4,1,2')).toMatch(/list:1: .*subject and person are both/)
    // A column that could be called group is named only where none is.
    const grouped = list('path,label,group,old_group,my_split\nv/a.mp4,red,1,2,3')
    expect(grouped.warnings).toEqual([expect.stringMatching(/my_split is not used/)])
    expect(grouped.unused.map(({ name }) => name)).toEqual(['old_group', 'my_split'])
    expect(list('path,label,old_group,group\nv/a.mp4,red,2,1').warnings).toEqual([])
    expect(list('path,label,old_group\nv/a.mp4,red,2').warnings).toEqual([
      expect.stringMatching(/old_group is not used; if it is the group, rename it to group/),
    ])
    const { rows, warnings } = list('path,group,subject\nv/a.mp4,1,2')
    expect(rows[0].group).toBe('1')
    expect(warnings).toEqual([expect.stringMatching(/subject is not used, because group is the group/)])
  })

  test('an id column is used; names that several rows may share are none', () => {
    expect(rowsOf('clip_id,path\nx1,v/a.mp4\nx2,v/b.mp4').map(({ id }) => id)).toEqual(['x1', 'x2'])
    const { rows, unused } = list('video_id,path\nx,v/a.mp4\ny,v/b.mp4')
    expect(rows.map(({ id }) => id)).toEqual([undefined, undefined])
    expect(unused).toEqual([{ name: 'video_id' }])
    // Whoever names a file names all of its parts.
    expect(rowsOf('clip_id,path,start\nx1,v/a.mp4,0\nx2,v/a.mp4,1').map(({ id }) => id)).toEqual([undefined, undefined])
  })

  test('a first line that is no video while all others are is a header: understood, or refused with its line', () => {
    expect(messageOf('my_videos\nv/a.mp4\nv/b.mp4')).toMatch(
      /list:1: expected a video, but there is none at "my_videos"/,
    )
    expect(messageOf('foo,bar\nv/a.mp4,x\nv/b.mp4,y')).toMatch(/list:1: .*"foo"/)
    // A video that is missing is a row.
    expect(rowsOf('gone.mp4,x\nv/b.mp4,y')).toHaveLength(2)
    expect(messageOf('label,start\nred,1')).toMatch(/list:1|expected/)
  })

  test('JSON is no list of lines', () => {
    expect(messageOf('[{"id": "1", "label": "x"}]')).toMatch(
      /list:1: expected a list as lines of text, but this is JSON/,
    )
  })
})
