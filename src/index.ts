/** The public library: everything the command line can do, typed. Nothing here has side effects at import. */
export { exitCodes, VideoMaeError } from './core/errors.ts'
