/** Parameter shapes by name, in the order in which the model asks for them. */
export type ParameterShapes = ReadonlyMap<string, readonly number[]>

/** Parameter values by name, row-major. */
export type ModelState = ReadonlyMap<string, Float32Array>
