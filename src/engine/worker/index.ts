export { type ThreadedEngineOptions, threadedEngine } from './host.ts'
