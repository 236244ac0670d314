/** Annotations of published data sets, as their authors give them out. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { VideoMaeError } from '../../../src/index.ts'
import { type OfficialName, writeOfficialDataset } from '../../../src/jobs.ts'
import { listVideos } from '../../../src/video.ts'
import { type Format, folderOf, mutateDocument, mutateTextBytes, single } from './format.ts'

const ucf101 = {
  'classInd.txt': '1 Run\r\n2 Walk\r\n',
  'trainlist01.txt': 'Run/v_Run_g01_c01.avi 1\nWalk/v_Walk_g01_c01.avi 2\n',
  'testlist01.txt': 'Run/v_Run_g02_c01.avi\n',
  'trainlist02.txt': 'Run/v_Run_g02_c01.avi 1\n',
  'testlist02.txt': 'Walk/v_Walk_g01_c01.avi\n',
  'trainlist03.txt': 'Run/v_Run_g02_c01.avi 1\n',
  'testlist03.txt': 'Walk/v_Walk_g01_c01.avi\n',
}
const hmdb51 = Object.fromEntries(
  [1, 2, 3].flatMap((part) => [
    [`run_test_split${part}.txt`, 'a (1).avi 1 \nb.avi 2 \nc.avi 0 \n'],
    [`sit_up_test_split${part}.txt`, 'b.avi 1 \nd.avi 2 \n'],
  ]),
)
const ssv2 = {
  'labels.json': JSON.stringify({ 'Moving something': '0', 'Holding something': '1' }),
  'train.json': JSON.stringify([{ id: '10', label: 'moving pen', template: 'Moving [something]' }]),
  'validation.json': JSON.stringify([{ id: '11', label: 'holding a', template: 'Holding [something]' }]),
  'test-answers.csv': '12;Holding something\n13;Moving something\n',
}
const kinetics = {
  'train.csv': 'label,youtube_id,time_start,time_end,split\nrun fast,-ab,1,11,train\n',
  'val.csv': 'label,youtube_id,time_start,time_end,split\nwalk,cd,10,20,val\n',
  'test.csv': 'youtube_id,time_start,time_end,split\nef,10,20,test\n',
}

/** Lists that name no file of another folder, whatever the annotations say. */
function official(name: OfficialName, files: Readonly<Record<string, string>>, videos: readonly string[]): Format {
  const mutations = Object.fromEntries(
    Object.keys(files).map((file) => [
      `annotations/${file}`,
      file.endsWith('.json') ? mutateDocument : mutateTextBytes,
    ]),
  )
  return folderOf(
    `annotations of ${name}`,
    mutations,
    async (folder) => {
      mkdirSync(path.join(folder, 'annotations'))
      for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, 'annotations', file), text)
      for (const video of videos) {
        mkdirSync(path.dirname(path.join(folder, 'videos', video)), { recursive: true })
        writeFileSync(path.join(folder, 'videos', video), 'a video')
      }
    },
    async (folder) => {
      const out = path.join(folder, 'lists')
      rmSync(out, { recursive: true, force: true })
      const root = path.join(folder, 'videos')
      const made = await writeOfficialDataset(name, root, { out, annotations: path.join(folder, 'annotations') })
      for (const { file } of made.lists) {
        if (path.dirname(file) !== out) throw new Error(`a list was written to ${file}`)
        const lines = readFileSync(file, 'utf8').split('\n').slice(1)
        const foreign = lines.find((line) => /^"?\//.test(line) && !line.replace(/^"/, '').startsWith(root))
        if (foreign !== undefined) throw new Error(`a list names ${foreign}`)
      }
    },
  )
}

const objects = [
  { video: 'a.mp4', label: 'left' },
  { video: 'b.mp4', label: 'right' },
]

/** Lists in JSON are refused, with what to do. */
const jsonList = single(
  'list in JSON',
  'list.json',
  (location) => writeFileSync(location, JSON.stringify(objects)),
  mutateDocument,
  async (location) => {
    const said = (() => {
      try {
        return listVideos(location)
      } catch (error) {
        return error
      }
    })()
    if (!(said instanceof VideoMaeError)) throw said instanceof Error ? said : new Error('a list in JSON was read')
    if (said.code !== 'MANIFEST_INVALID' || !said.message.includes('JSON')) throw said
  },
)

export const datasetFormats: readonly Format[] = [
  official('ucf101', ucf101, ['Run/v_Run_g01_c01.avi', 'Run/v_Run_g02_c01.avi', 'Walk/v_Walk_g01_c01.avi']),
  official('hmdb51', hmdb51, ['run/a (1).avi', 'run/b.avi', 'sit_up/b.avi', 'sit_up/d.avi']),
  official('ssv2', ssv2, ['10.webm', '11.webm', '12.webm', '13.webm']),
  jsonList,
  official('kinetics', kinetics, ['run fast/-ab_000001_000011.mp4', 'val/cd_000010_000020.mp4']),
]
