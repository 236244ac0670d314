import { type RequirementReport, requirementError, requirementLines } from '../certify/rules/requirement.ts'
import { exitCodes } from '../core/errors.ts'
import { errorDocument } from './run.ts'

/** Prints one JSON document, with the error in it where a requirement is not met: a second document would not be read. */
export function endAsRequired(document: object, required: RequirementReport | null): void {
  const error = requirementError(required)
  const shown = {
    ...document,
    ...(required === null ? {} : { requirements: required }),
    ...(error === null ? {} : errorDocument(error)),
  }
  process.stdout.write(`${JSON.stringify(shown)}\n`)
  if (error !== null) process.exitCode = exitCodes[error.exit]
}

/** Prints each requirement. @throws VideoMaeError `REQUIREMENT_NOT_MET` */
export function showRequirements(required: RequirementReport | null): void {
  if (required === null) return
  process.stdout.write(`${requirementLines(required).join('\n')}\n`)
  const error = requirementError(required)
  if (error !== null) throw error
}
