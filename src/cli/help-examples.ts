/** Examples that the help of each command ends with. */
import type { Command } from 'commander'

/** By command; the first line is the most common use. */
export const helpExamples: Readonly<Record<string, readonly string[]>> = {
  inspect: ['inspect videos', 'inspect labels.csv --base /data/videos --json'],
  dataset: [
    'dataset ucf101 UCF-101 --annotations ucfTrainTestlist',
    'dataset kinetics kinetics400 --out lists',
    "dataset split videos --groups '(subject\\d+)'",
    'dataset split labels.csv --folds column --out folds',
  ],
  get: ['get', 'get videomae-base videomae-base', 'get OWNER/NAME@REVISION weights'],
  prepare: ['prepare videos prepared --dry-run', 'prepare labels.csv prepared --size 256 --shard 1/4'],
  pretrain: [
    'pretrain videos --recipe laptop-pretrain',
    "pretrain videos --set mask.ratio=0.9 --set 'schedule.duration=2000 steps' --out checkpoints/mine",
    'pretrain --resume --out checkpoints/mine --page',
  ],
  launch: [
    'launch --ranks 2 -- pretrain videos --recipe laptop-pretrain',
    'launch --ranks 8 --restarts 3 -- pretrain videos --engine cuda',
  ],
  finetune: [
    'finetune labels.csv --from checkpoints/mine --mode ridge',
    'finetune labels.csv --from checkpoints/mine --mode ridge --folds 5 --repeats 3',
    'finetune videos-by-class --from checkpoints/mine --mode full --out checkpoints/classifier',
  ],
  evaluate: [
    'evaluate labels.csv --from checkpoints/classifier',
    'evaluate labels.csv --from classifier.onnx --split test --out scores',
  ],
  predict: [
    'predict clip.mp4 --from checkpoints/classifier',
    'predict videos --from classifier.onnx --threshold 0.6 --csv predictions.csv',
    'predict match.mp4 --from checkpoints/classifier --windows 5',
    'predict inbox --from checkpoints/classifier --watch --json',
    'predict clip.mp4 --certified checkpoints/certify --require-radius 3',
  ],
  features: [
    'features videos --from checkpoints/mine --out features',
    'features videos --from checkpoints/mine --readout motion --window-step 16',
  ],
  reconstruct: [
    'reconstruct checkpoints/mine clip.mp4',
    'reconstruct checkpoints/mine clip.mp4 --mask-ratio 0.75 --out picture',
  ],
  export: [
    'export checkpoints/mine --out encoder.onnx',
    'export checkpoints/classifier --classifier --int8 --evaluate labels.csv',
    'export checkpoints/mine --certified checkpoints/certify --out certified.onnx',
  ],
  certify: [
    'certify labels.csv --from checkpoints/mine --partitions 50,100 --rule dpa,roe',
    'certify labels.csv --from checkpoints/mine --threat label_flip --plan',
    'certify labels.csv --from pixels --readout hog --augment rotate,shear,shift',
    'certify --votes votes.csv --classes cat,dog',
    'certify --votes votes.csv --classes cat,dog,fox --target fox',
  ],
  verify: ['verify checkpoints/certify/certificate.json', "verify certificate.json --require 'certified@5>=0.6'"],
  audit: ['audit labels.csv --from checkpoints/mine --partitions 50 --trials 100'],
  'lethal-dose': ['lethal-dose labels.csv --from checkpoints/mine --partitions 5,10,20'],
  diff: ['diff checkpoints/certify-may checkpoints/certify-june --csv changes.csv'],
  statement: ['statement checkpoints/certify'],
  report: ['report checkpoints/certify', 'report checkpoints/classifier --out classifier.html'],
  watch: ['watch checkpoints/mine', 'watch checkpoints/one checkpoints/other --port 8080'],
  demo: ['demo', 'demo --out demo-output --report'],
  doctor: ['doctor', 'doctor --json', 'doctor --measure'],
  completion: [
    'completion bash > ~/.local/share/bash-completion/completions/videomae',
    'completion zsh',
    'completion fish',
  ],
}

/** Ends the help of every command with its examples. */
export function addHelpExamples(program: Command): void {
  for (const command of program.commands) {
    const examples = helpExamples[command.name()] ?? []
    const title = examples.length === 1 ? 'Example:' : 'Examples:'
    const lines = examples.map((example) => `  ${program.name()} ${example}\n`)
    command.addHelpText('after', `\n${title}\n${lines.join('')}`)
  }
}
