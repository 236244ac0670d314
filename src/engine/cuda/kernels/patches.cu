// Frames to patches and to pixel targets, from the uint8 frames as the loader delivers them.
#include "common.cuh"

/** Where a patch begins: token (t * rows + y) * columns + x of the grid. */
struct Grid {
  u32 frames, height, width, channels, tubelet, patch;
};

__device__ __forceinline__ u32 pixelOffset(const Grid& g, u32 token, u32 p0, u32 p1, u32 p2, u32 c, u32 channelsFirst) {
  const u32 across = g.width / g.patch, down = g.height / g.patch;
  const u32 t = token / (across * down) * g.tubelet + p0;
  const u32 y = token / across % down * g.patch + p1, x = token % across * g.patch + p2;
  return channelsFirst ? ((t * g.channels + c) * g.height + y) * g.width + x
                       : ((t * g.height + y) * g.width + x) * g.channels + c;
}

/**
 * y [B, M, C * tubelet * patch^2], values in the order (c, p0, p1, p2): pixel * factors[c] + factors[C + c].
 * `indices` may be null: all tokens in order.
 */
template <typename Pixel>
__device__ __forceinline__ void cutPatches(Element* y, const Pixel* video, const int* indices, const float* factors,
                                           u32 count, u32 perSample, u32 frames, u32 height, u32 width, u32 channels,
                                           u32 tubelet, u32 patch, u32 channelsFirst) {
  const Grid grid = {frames, height, width, channels, tubelet, patch};
  const u32 perChannel = tubelet * patch * patch, values = perChannel * channels;
  const u64 sampleSize = (u64)frames * height * width * channels;
  const u32 thread = blockIdx.x * blockDim.x + threadIdx.x, threads = gridDim.x * blockDim.x;
  for (u32 i = thread; i < count; i += threads) {
    const u32 row = i / values, value = i - row * values, sample = row / perSample;
    const u32 token = indices == nullptr ? row - sample * perSample : (u32)indices[row];
    const u32 c = value / perChannel, within = value - c * perChannel;
    const u32 p0 = within / (patch * patch), p1 = within / patch % patch, p2 = within % patch;
    const Pixel pixel = video[sample * sampleSize + pixelOffset(grid, token, p0, p1, p2, c, channelsFirst)];
    fromFloat(y[i], (float)pixel * factors[c] + factors[channels + c]);
  }
}

extern "C" __global__ void patchifyBytes(Element* y, const u8* video, const int* indices, const float* factors,
                                         u32 count, u32 perSample, u32 frames, u32 height, u32 width, u32 channels,
                                         u32 tubelet, u32 patch, u32 channelsFirst) {
  cutPatches(y, video, indices, factors, count, perSample, frames, height, width, channels, tubelet, patch,
             channelsFirst);
}
extern "C" __global__ void patchifyFloats(Element* y, const float* video, const int* indices, const float* factors,
                                          u32 count, u32 perSample, u32 frames, u32 height, u32 width, u32 channels,
                                          u32 tubelet, u32 patch, u32 channelsFirst) {
  cutPatches(y, video, indices, factors, count, perSample, frames, height, width, channels, tubelet, patch,
             channelsFirst);
}

/** The difference from the average is exact: size and total are whole numbers. */
__device__ __forceinline__ float target(u32 pixel, u32 size, u32 total, float factor, u32 normalize) {
  return normalize ? (float)(int)(size * pixel - total) * factor : (float)pixel / 255.0f;
}

/**
 * Targets [B, M, tubelet * patch^2 * C], values in the order (p0, p1, p2, c) (VideoMAE 3.3), which is the order of the
 * bytes too: a block copies one token's bytes to shared memory, row by row, and writes them normalized. Sums of bytes
 * and of their squares are exact integers, so a flat patch has the variance 0 and not rounding noise.
 * Block: 32 threads per channel, so that a thread sums one channel. Dynamic shared memory: the bytes of a token.
 */
extern "C" __global__ void patchTargets(Element* y, const u8* video, const int* indices, u32 perSample, u32 frames,
                                        u32 height, u32 width, u32 channels, u32 tubelet, u32 patch, u32 normalize) {
  __shared__ u32 totals[32];
  __shared__ float factors[32];
  DYNAMIC_SHARED(bytes);
  const Grid grid = {frames, height, width, channels, tubelet, patch};
  const u32 row = blockIdx.x, sample = row / perSample, token = (u32)indices[row];
  const u32 size = tubelet * patch * patch, rowBytes = patch * channels, values = size * channels;
  video += (u64)sample * frames * height * width * channels;
  y += (u64)row * values;
  if (rowBytes % 4 == 0 && width * channels % 4 == 0) {
    const u32 words = rowBytes / 4;
    for (u32 i = threadIdx.x; i < tubelet * patch * words; i += blockDim.x) {
      const u32 line = i / words;
      const u8* from = video + pixelOffset(grid, token, line / patch, line % patch, 0, 0, 0);
      reinterpret_cast<u32*>(bytes)[i] = reinterpret_cast<const u32*>(from)[i - line * words];
    }
  } else {
    for (u32 i = threadIdx.x; i < values; i += blockDim.x) {
      const u32 line = i / rowBytes;
      bytes[i] = video[pixelOffset(grid, token, line / patch, line % patch, 0, 0, 0) + i - line * rowBytes];
    }
  }
  __syncthreads();
  // Warp c sums channel c.
  const u32 channel = threadIdx.x / 32;
  u32 sum = 0, ownSquare = 0;
  for (u32 i = threadIdx.x % 32; i < size; i += 32) {
    const u32 pixel = bytes[i * channels + channel];
    sum += pixel;
    ownSquare += pixel * pixel;
  }
  u64 square = ownSquare;
#pragma unroll
  for (int mask = 16; mask > 0; mask >>= 1) {
    sum += __shfl_xor_sync(ALL_LANES, sum, mask);
    square += __shfl_xor_sync(ALL_LANES, square, mask);
  }
  if (threadIdx.x % 32 == 0) {
    // variance * size * (size - 1), in units of 1 / 255^2
    const u64 spread = size * square - (u64)sum * sum;
    const float variance = (float)spread / ((float)size * (float)(size > 1 ? size - 1 : 1) * 65025.0f);
    totals[channel] = sum;
    factors[channel] = 1.0f / ((float)size * 255.0f) / (sqrtf(variance) + 1e-6f);
  }
  __syncthreads();
  const u32 packed = values / PACK * PACK;  // all, at any usual patch size
  for (u32 i = threadIdx.x * PACK; i < packed; i += blockDim.x * PACK) {
    ElementPack pack;
    u32 c = i % channels;
#pragma unroll
    for (u32 j = 0; j < PACK; j++) {
      fromFloat(pack.v[j], target(bytes[i + j], size, totals[c], factors[c], normalize));
      c = c + 1 == channels ? 0 : c + 1;
    }
    if (values == packed) storePack(y + i, pack);
    else
#pragma unroll
      for (u32 j = 0; j < PACK; j++) y[i + j] = pack.v[j];
  }
  for (u32 i = packed + threadIdx.x; i < values; i += blockDim.x)
    fromFloat(y[i], target(bytes[i], size, totals[i % channels], factors[i % channels], normalize));
}
