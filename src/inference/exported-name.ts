import path from 'node:path'

/** Whether the name is that of an exported classifier, which ONNX Runtime runs on the CPU whatever the engines are. */
export const isExported = (from: string): boolean => path.extname(from).toLowerCase() === '.onnx'
