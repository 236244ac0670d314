// Slices, joins and zero-padding along an axis: all are copies of blocks between rows of different lengths.
#include "common.cuh"

/** y[r * rowY + offsetY + i] = x[r * rowX + offsetX + i] for i < size. */
extern "C" __global__ void copyBlocks(Element* y, const Element* x, u32 rows, u32 size, u32 rowY, u32 offsetY,
                                      u32 rowX, u32 offsetX) {
  const u32 step = (size | rowY | offsetY | rowX | offsetX) % PACK == 0 ? PACK : 1;
  const u32 perRow = size / step, count = rows * perRow;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / perRow, column = (i - row * perRow) * step;
    Element* to = y + row * rowY + offsetY + column;
    const Element* from = x + row * rowX + offsetX + column;
    if (step == 1) *to = *from;
    else storePack(to, loadPack(from));
  }
}

/** y [rows, sizeA + sizeB + sizeC + sizeD] joins the rows of up to four tensors; those that are not there have size 0. */
extern "C" __global__ void joinBlocks(Element* y, const Element* a, const Element* b, const Element* c,
                                      const Element* d, u32 rows, u32 sizeA, u32 sizeB, u32 sizeC, u32 sizeD) {
  const u32 step = (sizeA | sizeB | sizeC | sizeD) % PACK == 0 ? PACK : 1;
  const u32 rowY = sizeA + sizeB + sizeC + sizeD, perRow = rowY / step, count = rows * perRow;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / perRow;
    u32 column = (i - row * perRow) * step;
    Element* to = y + row * rowY + column;
    const Element* from = a;
    u32 size = sizeA;
    if (column >= size) {
      column -= size;
      from = b;
      size = sizeB;
      if (column >= size) {
        column -= size;
        from = c;
        size = sizeC;
        if (column >= size) {
          column -= size;
          from = d;
          size = sizeD;
        }
      }
    }
    from += row * size + column;
    if (step == 1) *to = *from;
    else storePack(to, loadPack(from));
  }
}

/** y [rows, before + size + after] is x [rows, size] between zeros. */
extern "C" __global__ void padBlocks(Element* y, const Element* x, u32 rows, u32 before, u32 size, u32 after) {
  const u32 rowY = before + size + after, count = rows * rowY;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / rowY, column = i - row * rowY;
    const bool inside = column >= before && column < before + size;
    fromFloat(y[i], inside ? toFloat(x[row * size + column - before]) : 0.0f);
  }
}

/** y[i] = x[i % period]. */
extern "C" __global__ void repeatBlocks(Element* y, const Element* x, u32 count, u32 period) {
  const u32 step = period % PACK == 0 ? PACK : 1;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count / step; i += threads) {
    if (step == 1) y[i] = x[i % period];
    else storePack(y + i * PACK, loadPack(x + i * PACK % period));
  }
}
