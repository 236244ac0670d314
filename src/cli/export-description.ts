import { printable } from '../core/printable.ts'
import type { OnnxSidecar, SidecarTensor } from '../export/sidecar.ts'

/** Classes that are named where there are many. */
const mostNamed = 10

/** What the description next to an exported file says, for people. */
export function describedLines({ inputs, outputs, labels, clip, readout }: OnnxSidecar): string[] {
  const lines = [
    ...inputs.map((tensor) => line('input', tensorText(tensor))),
    ...outputs.map((tensor) => line('output', tensorText(tensor))),
  ]
  if (labels !== null) {
    const more = labels.length > mostNamed ? `, and ${labels.length - mostNamed} more` : ''
    lines.push(line('labels', `${labels.slice(0, mostNamed).map(printable).join(', ')}${more}`))
  }
  if (readout !== null) lines.push(line('readout', readout))
  if (clip === null) return lines
  const { frames, sampling, resize, crop, pixels } = clip
  lines.push(line('frames', `${frames}; ${sampling === null ? 'which ones is not recorded' : samplingText(sampling)}`))
  lines.push(line('resize', `${resize.kind}: ${resize.rule}`))
  lines.push(line('crop', `the middle ${crop.height} x ${crop.width} (height x width)`))
  const mean = `mean ${pixels.mean.join(', ')}; std ${pixels.std.join(', ')}`
  lines.push(line('pixels', `${pixels.colorOrder}; normalized by the ${pixels.normalizedBy}: ${mean}`))
  return lines
}

const line = (name: string, text: string): string => `${name.padEnd(10)} ${text}`

function tensorText({ name, type, shape, axes, values }: SidecarTensor): string {
  return `${name} ${type} [${shape.join(', ')}] (${axes.join(', ')}): ${values}`
}

function samplingText({ kind, stride, fps }: NonNullable<NonNullable<OnnxSidecar['clip']>['sampling']>): string {
  if (kind === 'segments') return 'one from each equal segment of the video'
  const every = stride === 1 ? 'every frame' : `every ${stride} frames`
  return fps === null ? `${every}, from the middle` : `${fps} per second, from the middle`
}
