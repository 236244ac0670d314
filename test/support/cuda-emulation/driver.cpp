// The part of the CUDA driver API that the engine uses, with the CPU as the device: the engine's own bindings load this
// instead of libcuda.so.1. Work on a stream is done as late as the interface allows, when something waits for it, so that
// memory that is reused too early, or a wait that is missing, gives wrong numbers; while a stream is captured, its work is
// recorded.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <thread>
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
  notReady = 600,
  illegalAddress = 700,
  launchFailed = 719,
  captureInvalidated = 901,
  captureUnjoined = 904,
};
typedef unsigned long long Pointer;
using Work = std::function<int()>;

struct Graph {
  std::vector<Work> work;
  explicit Graph(std::vector<Work> recorded = {});
  ~Graph();
};
struct Stream {
  Graph* capture = nullptr;
  std::deque<Work> waiting;
  /** Captured because it waits for a captured stream, which has to wait for it before the capture ends. */
  bool forked = false, joined = false;
  /** Works put on the stream and works done, since it was created. */
  size_t put = 0, done = 0;
  int number;
  /** Other threads leave its work to that one. */
  std::thread::id owner = std::this_thread::get_id();
};
struct Event {
  Stream* stream = nullptr;
  /** The event is done when the stream has done this many works. */
  size_t position = 0;
  /** Recorded while this was captured. */
  Graph* capture = nullptr;
  /** When it was recorded, and when it was done. */
  double recorded = 0, milliseconds = -1;
};
struct Module {
  void* library;
};
struct Function {
  EmulatedKernel kernel;
  int sharedLimit = 48 << 10;
};

std::map<Pointer, size_t> deviceMemory, hostMemory;
std::set<Stream*> streams;
size_t totalMemory = size_t(4) << 30, usedMemory = 0;
/** Page-locked memory of the host. */
size_t hostLimit = size_t(-1), usedHostMemory = 0;
/** Graphs, executable or not, that have not been destroyed. */
int liveGraphs = 0;
unsigned long long launches = 0;
/** Milliseconds that work takes at least, as far as queries see it. */
double latency = getenv("EMULATED_LATENCY") ? atof(getenv("EMULATED_LATENCY")) : 0;
/** The launch at which the device fails, counted from 1; 0: none. */
unsigned long long failingLaunch = getenv("EMULATED_FAILURE") ? strtoull(getenv("EMULATED_FAILURE"), nullptr, 10) : 0;
/** Like a real context: after the first failure every call fails alike. Ended by `emulated_reset_error`. */
int failure = success;

Graph::Graph(std::vector<Work> recorded) : work(std::move(recorded)) { liveGraphs++; }
Graph::~Graph() { liveGraphs--; }

bool inside(const std::map<Pointer, size_t>& memory, Pointer address, size_t bytes) {
  auto after = memory.upper_bound(address);
  if (after == memory.begin()) return bytes == 0;
  --after;
  return address >= after->first && address + bytes <= after->first + after->second;
}

/**
 * Large blocks that were freed, by their size, for the next allocation. Every session has a workspace of 32 MB for products; the
 * system hands out new memory page by page, which takes longer than most runs of a test.
 */
std::multimap<size_t, void*> idleMemory;
size_t idleBytes = 0;
constexpr size_t smallestIdle = 1 << 20, mostIdle = 128 << 20;

/** Null where none of this size is kept. */
void* takeIdle(size_t bytes) {
  auto found = idleMemory.find(bytes);
  if (found == idleMemory.end()) return nullptr;
  void* memory = found->second;
  idleMemory.erase(found);
  idleBytes -= bytes;
  return memory;
}

/** Whether it is kept: not under the address sanitizer, which reports uses of memory that was freed. */
bool keepIdle(void* memory, size_t bytes) {
  static const bool sanitized = dlsym(RTLD_DEFAULT, "__asan_init") != nullptr;
  if (sanitized || bytes < smallestIdle || idleBytes + bytes > mostIdle) return false;
  idleMemory.emplace(bytes, memory);
  idleBytes += bytes;
  return true;
}

double now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec * 1e-6;
}

/** A line for everything that is put on a stream, where EMULATED_LOG names a file. */
void note(const char* what, const void* stream, size_t bytes) {
  static FILE* log = getenv("EMULATED_LOG") ? fopen(getenv("EMULATED_LOG"), "a") : nullptr;
  if (log == nullptr) return;
  fprintf(log, "%s %d %zu\n", what, stream == nullptr ? -1 : static_cast<const Stream*>(stream)->number, bytes);
  fflush(log);
}

/** Does the work of a stream up to a position. */
int workUpTo(Stream* stream, size_t position) {
  while (failure == success && stream->done < position) {
    const Work work = std::move(stream->waiting.front());
    stream->waiting.pop_front();
    stream->done++;
    const int status = work();
    if (failure == success) failure = status;
  }
  return failure;
}
int workAll() {
  for (Stream* stream : streams)
    if (stream->owner == std::this_thread::get_id()) workUpTo(stream, stream->put);
  return failure;
}

int enqueue(const char* what, void* stream, size_t bytes, Work work) {
  if (stream == nullptr) return invalidHandle;  // the engine never uses the default stream
  if (failure != success) return failure;
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture != nullptr) {
    s->capture->work.push_back(std::move(work));
    s->joined = false;
    return success;
  }
  note(what, stream, bytes);
  s->waiting.push_back(std::move(work));
  s->put++;
  return success;
}
}  // namespace

/** Lets cublaslt.cpp put its products on the same streams. */
int emulated_enqueue(void* stream, std::function<int()> work) { return enqueue("product", stream, 0, std::move(work)); }
/** For nccl.cpp. */
int emulated_put(const char* what, void* stream, size_t bytes, std::function<int()> work) {
  return enqueue(what, stream, bytes, std::move(work));
}
bool emulated_on_device(Pointer address, size_t bytes) { return inside(deviceMemory, address, bytes); }

extern "C" {
// For tests.
void emulated_set_memory(size_t bytes) { totalMemory = bytes; }
unsigned long long emulated_launches() { return launches; }
size_t emulated_used_memory() { return usedMemory; }
void emulated_set_latency(double milliseconds) { latency = milliseconds; }
void emulated_reset_error() { failure = success, failingLaunch = 0; }
void emulated_set_host_memory(size_t bytes) { hostLimit = bytes; }
int emulated_graphs() { return liveGraphs; }
/** The n-th launch from now on fails. */
void emulated_fail_after(unsigned long long n) { failingLaunch = launches + n; }

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
  void* memory = takeIdle(bytes);
  if (memory == nullptr && posix_memalign(&memory, 256, bytes) != 0) return outOfMemory;
  memset(memory, 0xff, bytes);  // NaN: what nobody wrote is seen
  *address = reinterpret_cast<Pointer>(memory);
  deviceMemory[*address] = bytes;
  usedMemory += bytes;
  return success;
}
int cuMemFree_v2(Pointer address) {
  workAll();  // as the driver waits
  auto found = deviceMemory.find(address);
  if (found == deviceMemory.end()) return invalidValue;
  const size_t bytes = found->second;
  usedMemory -= bytes;
  deviceMemory.erase(found);
  if (!keepIdle(reinterpret_cast<void*>(address), bytes)) free(reinterpret_cast<void*>(address));
  return success;
}
int cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  if (bytes == 0) return invalidValue;
  if (usedHostMemory + bytes > hostLimit || posix_memalign(address, 4096, bytes) != 0) return outOfMemory;
  usedHostMemory += bytes;
  hostMemory[reinterpret_cast<Pointer>(*address)] = bytes;
  return success;
}
int cuMemFreeHost(void* address) {
  workAll();
  auto found = hostMemory.find(reinterpret_cast<Pointer>(address));
  if (found == hostMemory.end()) return invalidValue;
  usedHostMemory -= found->second;
  hostMemory.erase(found);
  free(address);
  return success;
}
int cuMemcpyHtoDAsync_v2(Pointer to, const void* from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes) || !inside(hostMemory, reinterpret_cast<Pointer>(from), bytes))
    return invalidValue;
  return enqueue("to-device", stream, bytes, [=] { return memcpy(reinterpret_cast<void*>(to), from, bytes), success; });
}
int cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, from, bytes) || !inside(hostMemory, reinterpret_cast<Pointer>(to), bytes))
    return invalidValue;
  return enqueue("to-host", stream, bytes, [=] { return memcpy(to, reinterpret_cast<void*>(from), bytes), success; });
}
int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes) || !inside(deviceMemory, from, bytes)) return invalidValue;
  return enqueue("on-device", stream, bytes, [=] {
    return memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), success;
  });
}
int cuMemsetD8Async(Pointer to, unsigned char byte, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes)) return invalidValue;
  return enqueue("fill", stream, bytes, [=] { return memset(reinterpret_cast<void*>(to), byte, bytes), success; });
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
  workAll();
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
  return enqueue("launch", stream, 0, [=]() mutable {
    std::vector<void*> pointers;
    for (auto& value : values) pointers.push_back(value.data());
    if (++launches == failingLaunch) return (int)illegalAddress;
    return emulated_launch(f->kernel, {gx, gy, gz}, {bx, by, bz}, sharedBytes, pointers.data()) ? (int)success : (int)launchFailed;
  });
}

int cuStreamCreate(void** stream, unsigned) {
  static int created = 0;
  Stream* s = new Stream();
  s->number = created++;
  streams.insert(s);
  return *stream = s, success;
}
int cuStreamDestroy_v2(void* stream) {
  Stream* s = static_cast<Stream*>(stream);
  workUpTo(s, s->put);
  streams.erase(s);
  return delete s, success;
}
int cuStreamSynchronize(void* stream) {
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture != nullptr) return 900;
  note("synchronize", stream, 0);
  return workUpTo(s, s->put);
}
int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  if (event == nullptr) return invalidHandle;
  Stream* s = static_cast<Stream*>(stream);
  if (Graph* capture = static_cast<Event*>(event)->capture) {
    // Work is recorded in the order of the calls, in which each comes behind what it waits for.
    if (s->capture != nullptr && s->capture != capture) return captureInvalidated;
    if (s->capture == nullptr) s->forked = true;
    s->capture = capture;
    static_cast<Event*>(event)->stream->joined = true;
    return success;
  }
  if (s->capture != nullptr) return captureInvalidated;
  // What the event stands for now; recorded anew later, it is another one.
  const Event e = *static_cast<Event*>(event);
  if (e.stream == nullptr) return success;
  return enqueue("wait", stream, 0, [=] { return workUpTo(e.stream, e.position); });
}
int cuEventCreate(void** event, unsigned) { return *event = new Event(), success; }
int cuEventDestroy_v2(void* event) { return workAll(), delete static_cast<Event*>(event), success; }
int cuEventRecord(void* event, void* stream) {
  Event* e = static_cast<Event*>(event);
  const int status = enqueue("record", stream, 0, [=] { return e->milliseconds = now(), success; });
  if (status != success) return status;
  e->stream = static_cast<Stream*>(stream);
  e->capture = e->stream->capture;
  e->position = e->stream->put;
  e->recorded = now();
  return success;
}
int cuEventQuery(void* event) {
  Event* e = static_cast<Event*>(event);
  if (e->stream == nullptr) return success;
  if (now() < e->recorded + latency) return notReady;
  const bool pending = e->stream->done < e->position;
  const int status = workUpTo(e->stream, e->position);
  if (pending) note("done", e->stream, launches);  // with the launches so far instead of bytes
  return status;
}
int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  const double a = static_cast<Event*>(from)->milliseconds, b = static_cast<Event*>(to)->milliseconds;
  if (a < 0 || b < 0) return notReady;
  return *milliseconds = (float)(b - a), success;
}

int cuStreamBeginCapture_v2(void* stream, int) {
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture != nullptr) return illegalState;
  note("capture", stream, 0);
  s->capture = new Graph();
  return success;
}
int cuStreamEndCapture(void* stream, void** graph) {
  Stream* s = static_cast<Stream*>(stream);
  if (s->capture == nullptr) return illegalState;
  *graph = s->capture;
  bool unjoined = false;
  for (Stream* other : streams) {
    if (other->capture != *graph) continue;
    unjoined = unjoined || (other->forked && !other->joined);
    other->capture = nullptr;
    other->forked = other->joined = false;
  }
  return unjoined ? captureUnjoined : success;
}
int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(static_cast<Graph*>(graph)->work), success;
}
int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), success; }
int cuGraphExecDestroy(void* executable) { return workAll(), delete static_cast<Graph*>(executable), success; }
int cuGraphLaunch(void* executable, void* stream) {
  return enqueue("graph", stream, 0, [=] {
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
    case illegalAddress: return *name = "CUDA_ERROR_ILLEGAL_ADDRESS", success;
    case launchFailed: return *name = "CUDA_ERROR_LAUNCH_FAILED", success;
    default: return *name = "CUDA_ERROR_UNKNOWN", success;
  }
}
int cuGetErrorString(int status, const char** text) {
  *text = status == launchFailed ? emulated_last_failure() : "emulated";
  return success;
}
}
