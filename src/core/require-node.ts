/** Refuses an old version of Node.js. The library imports this module before any other. */
import { VideoMaeError } from './errors.ts'
import { nodeAdvice, nodeProblem } from './node-version.ts'

const problem = nodeProblem(process.versions.node)
if (problem !== null) throw new VideoMaeError(problem, { code: 'NODE_TOO_OLD', exit: 'environment', hint: nodeAdvice })
