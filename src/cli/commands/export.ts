import { argument, choice, count, flag, text } from '../options/option.ts'
import { engineOption, jsonOption } from '../options/shared.ts'
import { defineCommand, type OptionsOf } from './definition.ts'

export const exporting = defineCommand({
  name: 'export',
  summary: 'write the encoder as an ONNX file and check it',
  description:
    'Writes a standard ONNX file: frames in, tokens and pooled features out, any batch size. Runs it with ONNX Runtime ' +
    'on a clip and compares it with the training engine; exits with 6 if they differ by more than 1e-4. ' +
    'With --certified: frames in, the scores and votes of all base classifiers of an ensemble of `certify` out.',
  arguments: { checkpoint: argument('a checkpoint folder, or a run folder (its newest checkpoint)') },
  options: {
    out: text('path', 'ONNX file or folder; default: encoder.onnx, classifier.onnx, classifier/ or certified.onnx'),
    input: choice(
      'kind',
      'input of the file. uint8: frames [B,T,H,W,3], normalized inside; float32: pixel_values [B,T,3,H,W], normalized ' +
        'before; pooled: features [B,D], with --certified. Default: uint8',
      ['uint8', 'float32', 'pooled'],
    ),
    check: text('video', 'clip to compare on; default: two generated ones'),
    ...engineOption,
    classifier: flag('write the whole classifier of a fine-tuning run, including labels and preprocessing'),
    certified: text('path', 'write the encoder with an ensemble: its file, certificate.json or its folder'),
    precision: choice('kind', 'number format of a classifier; default: float32', [
      'float32',
      'float16',
      'int8',
      'int8-dynamic',
      'int8-static',
    ]),
    fp16: flag('short for --precision float16'),
    int8: flag('short for --precision int8-static with --calibrate, int8-dynamic without'),
    calibrate: text('source', 'calibration videos for --int8: the ranges of activations are measured on them'),
    calibrationClips: count('calibrationClips', 'number of calibration videos; default: 32'),
    format: choice('format', '[classifier] huggingface: a folder in the layout of Python transformers; default: onnx', [
      'onnx',
      'huggingface',
    ]),
    evaluate: text(
      'source',
      '[classifier] labeled videos: compare the accuracy of the file with that of the checkpoint',
    ),
    ...jsonOption,
  },
  examples: [
    'export checkpoints/mine --out encoder.onnx',
    'export checkpoints/classifier --classifier --int8 --evaluate labels.csv',
    'export checkpoints/mine --certified checkpoints/certify --out certified.onnx',
  ],
})

export type ExportCommandOptions = OptionsOf<typeof exporting>
