/** What a command wrote and how it ended. */
export interface FinishedProgram {
  /** Exit code; null after a signal. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}
