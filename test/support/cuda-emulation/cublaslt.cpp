// The part of cuBLASLt that the engine uses, computed by plain loops: column-major D = op(A) op(B) + beta C with its
// epilogues, float32 accumulation, and bfloat16 rounding where an operand is of that type.
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>
#include <vector>

int emulated_enqueue(void* stream, std::function<int()> work);
bool emulated_on_device(unsigned long long address, size_t bytes);

namespace {
enum { success = 0, invalidValue = 7, notSupported = 15 };
enum { float32 = 0, bfloat16 = 14 };
enum { bias = 4, gelu = 32, auxiliary = 128, geluGradient = 64 | 128, biasGradientB = 512 };

struct Descriptor {
  int compute, scale, transposeA = 0, transposeB = 0, epilogue = 1;
  uint64_t bias = 0, auxiliary = 0;
  int64_t auxiliaryStride = 0;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t stride;
};

size_t sizeOf(int type) { return type == float32 ? 4 : 2; }
float load(uint64_t base, size_t i, int type) {
  if (type == float32) return reinterpret_cast<const float*>(base)[i];
  const uint32_t bits = (uint32_t) reinterpret_cast<const uint16_t*>(base)[i] << 16;
  float value;
  memcpy(&value, &bits, 4);
  return value;
}
void store(uint64_t base, size_t i, int type, float value) {
  if (type == float32) {
    reinterpret_cast<float*>(base)[i] = value;
    return;
  }
  uint32_t bits;
  memcpy(&bits, &value, 4);
  if ((bits & 0x7fffffffu) > 0x7f800000u) bits |= 0x400000u;
  else bits += 0x7fffu + ((bits >> 16) & 1);
  reinterpret_cast<uint16_t*>(base)[i] = (uint16_t)(bits >> 16);
}
// cuBLASLt's GELU is the approximation by tanh.
float tanhGelu(float x) { return 0.5f * x * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))); }
float tanhGeluSlope(float x) {
  const float t = tanhf(0.7978845608f * (x + 0.044715f * x * x * x));
  return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * 0.7978845608f * (1 + 3 * 0.044715f * x * x);
}

/** op(M) as a dense float matrix [outer, inner]: the inner index of the product runs fastest. */
std::vector<float> pack(uint64_t base, const Layout& layout, bool innerIsRows) {
  const size_t outer = innerIsRows ? layout.columns : layout.rows, inner = innerIsRows ? layout.rows : layout.columns;
  std::vector<float> packed(outer * inner);
  for (size_t o = 0; o < outer; o++)
    for (size_t i = 0; i < inner; i++)
      packed[o * inner + i] =
          load(base, innerIsRows ? o * layout.stride + i : i * layout.stride + o, layout.type);
  return packed;
}

int multiply(Descriptor d, float alpha, uint64_t a, Layout la, uint64_t b, Layout lb, float beta, uint64_t c, Layout lc,
             uint64_t out, Layout lout) {
  const size_t m = lout.rows, n = lout.columns, k = d.transposeA ? la.rows : la.columns;
  const std::vector<float> left = pack(a, la, d.transposeA), right = pack(b, lb, !d.transposeB);
  for (size_t j = 0; j < n; j++)
    for (size_t i = 0; i < m; i++) {
      const float *x = &left[i * k], *y = &right[j * k];
      float lanes[8] = {};
      size_t l = 0;
      for (; l + 8 <= k; l += 8)
        for (int v = 0; v < 8; v++) lanes[v] += x[l + v] * y[l + v];
      float sum = ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
      for (; l < k; l++) sum += x[l] * y[l];
      float value = alpha * sum;
      if (beta != 0) value += beta * load(c, j * lc.stride + i, lc.type);
      if (d.epilogue & bias) value += load(d.bias, i, lout.type);
      const size_t aux = j * d.auxiliaryStride + i;
      if ((d.epilogue & geluGradient) == geluGradient) {
        value *= tanhGeluSlope(load(d.auxiliary, aux, lout.type));
      } else if (d.epilogue & gelu) {
        if (d.epilogue & auxiliary) store(d.auxiliary, aux, lout.type, value);
        value = tanhGelu(value);
      }
      store(out, j * lout.stride + i, lout.type, value);
    }
  if (d.epilogue & biasGradientB)
    for (size_t j = 0; j < n; j++) {
      float sum = 0;
      for (size_t l = 0; l < k; l++) sum += right[j * k + l];
      store(d.bias, j, lout.type, sum);
    }
  return success;
}
}  // namespace

extern "C" {
size_t cublasLtGetVersion() { return 130101; }
int cublasLtCreate(void** handle) { return *handle = malloc(1), success; }
int cublasLtDestroy(void* handle) { return free(handle), success; }
int cublasLtMatmulDescCreate(void** descriptor, int compute, int scale) {
  if (compute != 68 || scale != float32) return notSupported;
  return *descriptor = new Descriptor{compute, scale}, success;
}
int cublasLtMatmulDescDestroy(void* descriptor) { return delete static_cast<Descriptor*>(descriptor), success; }
int cublasLtMatmulDescSetAttribute(void* descriptor, int attribute, const void* value, size_t bytes) {
  Descriptor* d = static_cast<Descriptor*>(descriptor);
  switch (attribute) {
    case 3: return bytes == 4 ? (memcpy(&d->transposeA, value, 4), success) : invalidValue;
    case 4: return bytes == 4 ? (memcpy(&d->transposeB, value, 4), success) : invalidValue;
    case 7: return bytes == 4 ? (memcpy(&d->epilogue, value, 4), success) : invalidValue;
    case 8: return bytes == 8 ? (memcpy(&d->bias, value, 8), success) : invalidValue;
    case 11: return bytes == 8 ? (memcpy(&d->auxiliary, value, 8), success) : invalidValue;
    case 12: return bytes == 8 ? (memcpy(&d->auxiliaryStride, value, 8), success) : invalidValue;
    default: return invalidValue;
  }
}
int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t stride) {
  if ((type != float32 && type != bfloat16) || stride < (int64_t)rows) return invalidValue;
  return *layout = new Layout{type, rows, columns, stride}, success;
}
int cublasLtMatrixLayoutDestroy(void* layout) { return delete static_cast<Layout*>(layout), success; }
int cublasLtMatmulPreferenceCreate(void** preference) { return *preference = malloc(8), success; }
int cublasLtMatmulPreferenceDestroy(void* preference) { return free(preference), success; }
int cublasLtMatmulPreferenceSetAttribute(void*, int attribute, const void*, size_t bytes) {
  return attribute == 1 && bytes == 8 ? success : invalidValue;
}
/** Result: uint64 algorithm[8], size_t workspace, int status, float waves, int reserved[4]. */
int cublasLtMatmulAlgoGetHeuristic(void*, void* descriptor, void* a, void* b, void* c, void* out, void*, int wanted,
                                   void* results, int* found) {
  const Descriptor& d = *static_cast<Descriptor*>(descriptor);
  const Layout &la = *static_cast<Layout*>(a), &lb = *static_cast<Layout*>(b), &lc = *static_cast<Layout*>(c),
               &lout = *static_cast<Layout*>(out);
  *found = 0;
  const uint64_t m = d.transposeA ? la.columns : la.rows, k = d.transposeA ? la.rows : la.columns;
  const uint64_t n = d.transposeB ? lb.rows : lb.columns, kb = d.transposeB ? lb.columns : lb.rows;
  if (m != lout.rows || n != lout.columns || k != kb || lc.rows != m || lc.columns != n) return invalidValue;
  // As the library has it: auxiliary matrices in steps of 8.
  if ((d.epilogue & auxiliary) && d.auxiliaryStride % 8 != 0) return notSupported;
  *found = wanted < 2 ? wanted : 2;
  for (int i = 0; i < *found; i++) {
    unsigned char* result = static_cast<unsigned char*>(results) + i * 96;
    memset(result, 0, 96);
    result[0] = (unsigned char)(i + 1);
  }
  return success;
}
int cublasLtMatmul(void*, void* descriptor, const void* alpha, const void* a, void* la, const void* b, void* lb,
                   const void* beta, const void* c, void* lc, void* out, void* lout, const void* algorithm, void*,
                   size_t, void* stream) {
  const unsigned char id = *static_cast<const unsigned char*>(algorithm);
  if (id != 1 && id != 2) return invalidValue;
  const Descriptor d = *static_cast<Descriptor*>(descriptor);
  const Layout A = *static_cast<Layout*>(la), B = *static_cast<Layout*>(lb), C = *static_cast<Layout*>(lc),
               D = *static_cast<Layout*>(lout);
  auto covered = [](const void* base, const Layout& layout) {
    return emulated_on_device((uint64_t)base, ((layout.columns - 1) * layout.stride + layout.rows) * sizeOf(layout.type));
  };
  const float factor = *static_cast<const float*>(alpha), addend = *static_cast<const float*>(beta);
  if (!covered(a, A) || !covered(b, B) || !covered(out, D) || (addend != 0 && !covered(c, C))) return invalidValue;
  return emulated_enqueue(stream, [=] {
    return multiply(d, factor, (uint64_t)a, A, (uint64_t)b, B, addend, (uint64_t)c, C, (uint64_t)out, D);
  });
}
}
