import { assertRequirements, type RequirementReport, requirementLines } from '../certify/rules/requirement.ts'
import { exitCodes, VideoMaeError } from '../core/errors.ts'
import { errorDocument } from './run.ts'

/** Prints one JSON document, with the error in it where a requirement is not met: a second document would not be read. */
export function endAsRequired(document: object, required: RequirementReport | null): void {
  const error = required === null ? null : problemOf(required)
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
  assertRequirements(required)
}

function problemOf(required: RequirementReport): VideoMaeError | null {
  try {
    assertRequirements(required)
    return null
  } catch (error) {
    if (error instanceof VideoMaeError) return error
    throw error
  }
}
