/** What to expect of pretraining on few videos, before it begins. */

/** HMDB51, the smallest set that VideoMAE was pretrained on, and how often it saw each video (Tong et al. 2022, appendix; its released script). */
const smallestPublished = { videos: 3570, passes: 4800 } as const

/** Clips of real videos below which pretraining was not seen to be better than raw pixels; docs/few-labels.md has the measurement. */
const fewClips = 200_000

export const publishedWeights = {
  get: 'npx videomae get videomae-base videomae-base',
  license: 'CC BY-NC 4.0, which forbids commercial use; `videomae get` lists others',
} as const

/** @returns null where the number of videos is that of a published run */
export function fewVideosNote(videos: number): string | null {
  if (videos >= smallestPublished.videos) return null
  return (
    `${videos} videos are few to pretrain on from fresh weights: the smallest published run has ${smallestPublished.videos} and shows each ` +
    `${smallestPublished.passes} times. Published weights need no pretraining: \`${publishedWeights.get}\` (${publishedWeights.license}).`
  )
}

/**
 * Of a run that begins with fresh weights.
 *
 * @param clips shown in the whole run, repeats included
 * @returns null where the run is long, or the videos are many
 */
export function shortRunNote({ videos, clips }: { readonly videos: number; readonly clips: number }): string | null {
  const few = clips < fewClips ? fewVideosNote(videos) : null
  if (few === null) return null
  return `${few} With ${clips} clips an encoder of your own is at best a little above raw pixels: compare with \`--from pixels --readout motion\` of \`features\` and \`certify\`.`
}
