// The part of the CUDA driver API that the engine uses for kernels, streams, events and graphs, with the CPU as the
// device: the engine's own bindings load this instead of libcuda.so.1. Work on a stream is done as late as the interface
// allows, when something waits for it, so that memory that is reused too early, or a wait that is missing, gives wrong
// numbers; while a stream is captured, its work is recorded.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <deque>
#include <functional>
#include <set>
#include <thread>
#include <vector>

#include "driver.h"

namespace {
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

std::set<Stream*> streams;
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
}  // namespace

int emulated_work_all() {
  for (Stream* stream : streams)
    if (stream->owner == std::this_thread::get_id()) workUpTo(stream, stream->put);
  return failure;
}

namespace {
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
int emulated_put(const char* what, void* stream, size_t bytes, Work work) {
  return enqueue(what, stream, bytes, std::move(work));
}

extern "C" {
// For tests.
unsigned long long emulated_launches() { return launches; }
void emulated_set_latency(double milliseconds) { latency = milliseconds; }
void emulated_reset_error() { failure = success, failingLaunch = 0; }
int emulated_graphs() { return liveGraphs; }
/** The n-th launch from now on fails. */
void emulated_fail_after(unsigned long long n) { failingLaunch = launches + n; }

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
  emulated_work_all();
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
int cuEventDestroy_v2(void* event) { return emulated_work_all(), delete static_cast<Event*>(event), success; }
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
int cuGraphExecDestroy(void* executable) { return emulated_work_all(), delete static_cast<Graph*>(executable), success; }
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
