/** Options that say how `certify --votes` reads the votes or scores of another system. */
import { rulesOfLayout } from '../../certify/rules/names.ts'
import { wholeNumber } from '../arguments.ts'
import { choice, count, number, text, withDefault } from './option.ts'

export const votesOptions = {
  votes: text('file', 'votes or scores of another system, npy or CSV, instead of DATA'),
  learners: count(
    'learners',
    '[votes] base classifiers in the file; required if the column names do not identify them',
  ),
  labelColumn: text('name', '[votes] column of true classes; default: label, y, target, truth and the like'),
  idColumn: text('name', '[votes] column of ids; default: id, path, name and the like, else row numbers'),
  header: choice(
    'whether',
    '[votes] whether the first line of a CSV is a header; default: detected; refused if it is unclear',
    ['yes', 'no'],
  ),
  firstClass: number('n', '[votes] 1 if the file counts classes from 1; default: 0', wholeNumber),
  kind: withDefault(choice('kind', '[votes] content of the file', ['votes', 'scores']), 'votes'),
  offsets: text(
    'list',
    `[votes] base classifiers that partition 0 reached, e.g. 0,7,19; for rules with a spread (${rulesOfLayout('spread')})`,
  ),
}
