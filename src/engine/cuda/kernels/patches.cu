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

/**
 * Targets [B, M, tubelet * patch^2 * C], values in the order (p0, p1, p2, c) (VideoMAE 3.3). One block per token. Sums
 * of bytes and of their squares are exact integers, so a flat patch has the variance 0 and not rounding noise.
 */
extern "C" __global__ void patchTargets(Element* y, const u8* video, const int* indices, u32 perSample, u32 frames,
                                        u32 height, u32 width, u32 channels, u32 tubelet, u32 patch, u32 normalise) {
  __shared__ u32 sums[64], squares[64];
  const Grid grid = {frames, height, width, channels, tubelet, patch};
  const u32 row = blockIdx.x, sample = row / perSample, token = (u32)indices[row];
  const u32 size = tubelet * patch * patch, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  video += (u64)sample * frames * height * width * channels;
  y += (u64)row * size * channels;
  for (u32 c = 0; c < channels; c++) {
    u32 sum = 0, square = 0;
    for (u32 i = threadIdx.x; i < size; i += blockDim.x) {
      const u32 pixel = video[pixelOffset(grid, token, i / (patch * patch), i / patch % patch, i % patch, c, 0)];
      sum += pixel;
      square += pixel * pixel;
    }
#pragma unroll
    for (int mask = 16; mask > 0; mask >>= 1) {
      sum += __shfl_xor_sync(ALL_LANES, sum, mask);
      square += __shfl_xor_sync(ALL_LANES, square, mask);
    }
    __syncthreads();
    if (threadIdx.x % 32 == 0) {
      sums[warp] = sum;
      squares[warp] = square;
    }
    __syncthreads();
    u64 total = 0, totalSquare = 0;
    for (u32 w = 0; w < warps; w++) {
      total += sums[w];
      totalSquare += squares[w];
    }
    // variance * size * (size - 1), in units of 1 / 255^2
    const u64 spread = (u64)size * totalSquare - total * total;
    const float variance = (float)spread / ((float)size * (float)(size > 1 ? size - 1 : 1) * 65025.0f);
    const float inverse = 1.0f / (sqrtf(variance) + 1e-6f);
    for (u32 i = threadIdx.x; i < size; i += blockDim.x) {
      const u32 pixel = video[pixelOffset(grid, token, i / (patch * patch), i / patch % patch, i % patch, c, 0)];
      const long long centred = (long long)size * pixel - (long long)total;
      const float value = normalise ? (float)centred / ((float)size * 255.0f) * inverse : (float)pixel / 255.0f;
      fromFloat(y[i * channels + c], value);
    }
  }
}
