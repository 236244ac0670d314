// The part of the CUDA driver API that the engine uses, with the CPU as the device: the engine's own bindings load this
// instead of libcuda.so.1. Work on a stream is done at once, or recorded while the stream is captured.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <functional>
#include <map>
#include <vector>

#include "runtime.h"

namespace {
enum {
  success = 0,
  invalidValue = 1,
  outOfMemory = 2,
  fileNotFound = 301,
  invalidHandle = 400,
  notFound = 500,
  illegalState = 401,
  launchFailed = 719,
  captureInvalidated = 901,
};
typedef unsigned long long Pointer;
using Work = std::function<int()>;

struct Graph {
  std::vector<Work> work;
};
struct Stream {
  Graph* capture = nullptr;
};
struct Event {
  double milliseconds = -1;
};
struct Module {
  void* library;
};
struct Function {
  EmulatedKernel kernel;
  int sharedLimit = 48 << 10;
};

std::map<Pointer, size_t> deviceMemory, hostMemory;
size_t totalMemory = size_t(4) << 30, usedMemory = 0;
unsigned long long launches = 0;

bool inside(const std::map<Pointer, size_t>& memory, Pointer address, size_t bytes) {
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return bytes == 0;
  --after;
  return address >= after->first && address + bytes <= after->first + after->second;
}

int enqueue(void* stream, Work work) {
  if (stream == nullptr) return invalidHandle;  // the engine never uses the default stream
  Graph* capture = static_cast<Stream*>(stream)->capture;
  if (capture == nullptr) return work();
  capture->work.push_back(std::move(work));
  return success;
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}
}  // namespace

/** Lets cublaslt.cpp put its products on the same streams. */
int emulated_enqueue(void* stream, std::function<int()> work) { return enqueue(stream, std::move(work)); }
bool emulated_on_device(Pointer address, size_t bytes) { return inside(deviceMemory, address, bytes); }

extern "C" {
// For tests.
void emulated_set_memory(size_t bytes) { totalMemory = bytes; }
unsigned long long emulated_launches() { return launches; }
size_t emulated_used_memory() { return usedMemory; }

int cuInit(unsigned flags) { return flags == 0 ? success : invalidValue; }
int cuDriverGetVersion(int* version) { return *version = 13000, success; }
int cuDeviceGetCount(int* count) { return *count = 1, success; }
int cuDeviceGet(int* device, int ordinal) { return ordinal == 0 ? (*device = 0, success) : 101; }
int cuDeviceGetName(char* name, int length, int) { return snprintf(name, length, "emulated device"), success; }
int cuDeviceTotalMem_v2(size_t* bytes, int) { return *bytes = totalMemory, success; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 16: return *value = 4, success;           // multiprocessors
    case 75: return *value = 9, success;           // compute capability
    case 76: return *value = 0, success;
    case 97: return *value = 227 << 10, success;  // shared memory that a block may ask for
    default: return invalidValue;
  }
}
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &deviceMemory, success; }
int cuDevicePrimaryCtxRelease_v2(int) { return success; }
int cuCtxSetCurrent(void* context) { return context == &deviceMemory ? success : invalidValue; }
int cuMemGetInfo_v2(size_t* free, size_t* total) {
  *free = totalMemory - usedMemory;
  *total = totalMemory;
  return success;
}
int cuMemAlloc_v2(Pointer* address, size_t bytes) {
  if (bytes == 0) return invalidValue;
  if (usedMemory + bytes > totalMemory) return outOfMemory;
  void* memory = nullptr;
  if (posix_memalign(&memory, 256, bytes) != 0) return outOfMemory;
  memset(memory, 0xff, bytes);  // NaN: what nobody wrote is seen
  *address = reinterpret_cast<Pointer>(memory);
  deviceMemory[*address] = bytes;
  usedMemory += bytes;
  return success;
}
int cuMemFree_v2(Pointer address) {
  auto found = deviceMemory.find(address);
  if (found == deviceMemory.end()) return invalidValue;
  usedMemory -= found->second;
  deviceMemory.erase(found);
  free(reinterpret_cast<void*>(address));
  return success;
}
int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  if (bytes == 0 || posix_memalign(address, 4096, bytes) != 0) return invalidValue;
  hostMemory[reinterpret_cast<Pointer>(*address)] = bytes;
  return success;
}
int cuMemFreeHost(void* address) {
  if (hostMemory.erase(reinterpret_cast<Pointer>(address)) == 0) return invalidValue;
  free(address);
  return success;
}
int cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes) || !inside(hostMemory, reinterpret_cast<Pointer>(from), bytes))
    return invalidValue;
  return enqueue(stream, [=] { return memcpy(reinterpret_cast<void*>(to), from, bytes), success; });
}
int cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, from, bytes) || !inside(hostMemory, reinterpret_cast<Pointer>(to), bytes))
    return invalidValue;
  return enqueue(stream, [=] { return memcpy(to, reinterpret_cast<void*>(from), bytes), success; });
}
int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes) || !inside(deviceMemory, from, bytes)) return invalidValue;
  return enqueue(stream, [=] {
    return memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), success;
  });
}
int cuMemsetD8Async(Pointer to, unsigned char byte, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes)) return invalidValue;
  return enqueue(stream, [=] { return memset(reinterpret_cast<void*>(to), byte, bytes), success; });
}

/** The image is the path of a shared object, made by the emulated compiler. */
int cuModuleLoadData(void** module, const void* image) {
  void* library = dlopen(static_cast<const char*>(image), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    fprintf(stderr, "%s\n", dlerror());
    return fileNotFound;
  }
  *module = new Module{library};
  return success;
}
int cuModuleUnload(void* module) {
  dlclose(static_cast<Module*>(module)->library);
  delete static_cast<Module*>(module);
  return success;
}
int cuModuleGetFunction(void** function, void* module, const char* name) {
  char symbol[128];
  snprintf(symbol, sizeof(symbol), "emulated_kernel_%s", name);
  void* found = dlsym(static_cast<Module*>(module)->library, symbol);
  if (found == nullptr) return notFound;
  *function = new Function{reinterpret_cast<EmulatedKernel (*)()>(found)()};
  return success;
}
int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute != 8) return invalidValue;  // dynamic shared memory above 48 KiB
  static_cast<Function*>(function)->sharedLimit = value;
  return success;
}
int cuFuncGetAttribute(int* value, int, void*) { return *value = 0, success; }
int cuLaunchKernel(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                   unsigned sharedBytes, void* stream, void** parameters, void** extra) {
  if (extra != nullptr) return invalidValue;
  Function* f = static_cast<Function*>(function);
  if ((int)sharedBytes > f->sharedLimit) return invalidValue;
  // Parameters are copied at the call, as the driver does it.
  std::vector<std::vector<unsigned char>> values;
  for (const unsigned short* size = f->kernel.sizes; *size != 0; size++, parameters++) {
    const unsigned char* value = static_cast<const unsigned char*>(*parameters);
    values.emplace_back(value, value + *size);
  }
  return enqueue(stream, [=]() mutable {
    std::vector<void*> pointers;
    for (auto& value : values) pointers.push_back(value.data());
    launches++;
    return emulated_launch(f->kernel, {gx, gy, gz}, {bx, by, bz}, sharedBytes, pointers.data()) ? success : launchFailed;
  });
}

int cuStreamCreate(void** stream, unsigned) { return *stream = new Stream(), success; }
int cuStreamDestroy_v2(void* stream) { return delete static_cast<Stream*>(stream), success; }
int cuStreamSynchronize(void* stream) { return static_cast<Stream*>(stream)->capture == nullptr ? success : 900; }
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  if (static_cast<Stream*>(stream)->capture != nullptr) return captureInvalidated;
  return event == nullptr ? invalidHandle : success;
}
int cuEventCreate(void** event, unsigned) { return *event = new Event(), success; }
int cuEventDestroy_v2(void* event) { return delete static_cast<Event*>(event), success; }
int cuEventRecord(void* event, void* stream) {
  return enqueue(stream, [=] { return static_cast<Event*>(event)->milliseconds = now(), success; });
}
int cuEventQuery(void*) { return success; }
int cuEventSynchronize(void*) { return success; }
int cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
  const double a = static_cast<Event*>(from)->milliseconds, b = static_cast<Event*>(to)->milliseconds;
  if (a < 0 || b < 0) return invalidHandle;
  return *milliseconds = (float)(b - a), success;
}
int cuEventElapsedTime(float* milliseconds, void* from, void* to) { return cuEventElapsedTime_v2(milliseconds, from, to); }

int cuStreamBeginCapture_v2(void* stream, int) {
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture != nullptr) return illegalState;
  s->capture = new Graph();
  return success;
}
int cuStreamEndCapture(void* stream, void** graph) {
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture == nullptr) return illegalState;
  *graph = s->capture;
  s->capture = nullptr;
  return success;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph*>(graph)), success;
}
int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), success; }
int cuGraphExecDestroy(void* executable) { return delete static_cast<Graph*>(executable), success; }
int cuGraphLaunch(void* executable, void* stream) {
  return enqueue(stream, [=] {
    for (const Work& work : static_cast<Graph*>(executable)->work) {
      const int status = work();
      if (status != success) return status;
    }
    return (int)success;
  });
}

int cuGetErrorName(int status, const char** name) {
  switch (status) {
    case success: return *name = "CUDA_SUCCESS", success;
    case invalidValue: return *name = "CUDA_ERROR_INVALID_VALUE", success;
    case outOfMemory: return *name = "CUDA_ERROR_OUT_OF_MEMORY", success;
    case launchFailed: return *name = "CUDA_ERROR_LAUNCH_FAILED", success;
    default: return *name = "CUDA_ERROR_UNKNOWN", success;
  }
}
int cuGetErrorString(int status, const char** text) {
  *text = status == launchFailed ? emulated_last_failure() : "emulated";
  return success;
}
}
