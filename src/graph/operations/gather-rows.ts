import type { Tensor } from '../graph.ts'
import { expectShape, type Operation, spec } from '../operation.ts'

/**
 * Rows of a table that all samples share, a position table say: table [N, D], int32 indices [B, M] -> [B, M, D].
 * The table is fixed: there is no gradient.
 */
export const gatherRowsOperation: Operation<Record<string, never>> = {
  name: 'gatherRows',
  integerInputs: [1],
  infer(inputs) {
    const [table, indices] = inputs
    const ok =
      inputs.length === 2 && table.shape.length === 2 && indices.dtype === 'int32' && indices.shape.length === 2
    expectShape(ok, 'gatherRows', 'table [N, D] and int32 indices [B, M]', inputs)
    return [spec([...indices.shape, table.shape[1]])]
  },
  gradient: null,
}

export function gatherRows(table: Tensor, indices: Tensor): Tensor {
  return table.graph.apply(gatherRowsOperation, [table, indices], {})[0]
}
