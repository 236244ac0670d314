// The part of NCCL that the engine uses, for processes of one machine: the sum is made in a file that all of them map. Work is put on
// the streams of driver.cpp, so it is done late, and recorded while a stream is captured.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <vector>

int emulated_put(const char* what, void* stream, size_t bytes, std::function<int()> work);
bool emulated_on_device(unsigned long long address, size_t bytes);

namespace {
enum { success = 0, systemError = 2, invalidArgument = 4, invalidUsage = 5 };
enum { uint8 = 1, float32 = 7, float64 = 8, sum = 0, maximum = 2, minimum = 3 };
constexpr int mostRanks = 8;
constexpr size_t slotBytes = 1 << 18;

struct Shared {
  std::atomic<int> arrived, generation;
  /** What each rank is about to sum: the collective calls have to be the same. */
  size_t counts[mostRanks];
  alignas(8) char slots[mostRanks][slotBytes];
};
struct Comm {
  Shared* shared;
  int ranks, rank;
};
int depth = 0;

/** False: the others did not come within five minutes. */
bool meet(const Comm& comm) {
  Shared& shared = *comm.shared;
  const int generation = shared.generation.load();
  if (shared.arrived.fetch_add(1) + 1 == comm.ranks) {
    shared.arrived = 0;
    shared.generation++;
    return true;
  }
  for (int i = 0; i < 3000000; i++) {
    if (shared.generation.load() != generation) return true;
    usleep(100);
  }
  return false;
}

/** Hands each piece of `from` to all ranks; `use` sees the pieces of all, their offset and their bytes. */
int exchange(const Comm& comm, const char* from, size_t bytes, const std::function<void(size_t, size_t)>& use) {
  Shared& shared = *comm.shared;
  shared.counts[comm.rank] = bytes;
  for (size_t first = 0; first == 0 || first < bytes; first += slotBytes) {
    const size_t part = bytes - first < slotBytes ? bytes - first : slotBytes;
    memcpy(shared.slots[comm.rank], from + first, part);
    if (!meet(comm)) return 999;
    for (int r = 0; r < comm.ranks; r++)
      if (shared.counts[r] != bytes) return 719;
    use(first, part);
    if (!meet(comm)) return 999;
  }
  return 0;
}

template <typename Value>
int reduce(const Comm& comm, Value* values, size_t count, int operation) {
  return exchange(comm, (const char*)values, count * sizeof(Value), [&](size_t first, size_t bytes) {
    Value* to = values + first / sizeof(Value);
    for (size_t i = 0; i < bytes / sizeof(Value); i++) {
      Value total = 0;
      for (int r = 0; r < comm.ranks; r++) {
        const Value value = ((const Value*)comm.shared->slots[r])[i];
        if (r == 0) total = value;
        else if (operation == sum) total += value;
        else total = (operation == maximum) == (value > total) ? value : total;
      }
      to[i] = total;
    }
  });
}
}  // namespace

extern "C" {
struct ncclUniqueId {
  char internal[128];
};
int ncclGetVersion(int* version) { return *version = 23203, success; }
int ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  memset(id, 0, sizeof *id);
  snprintf(id->internal, sizeof id->internal, "/dev/shm/videomae-nccl-%d-%d", getpid(), made++);
  return success;
}
int ncclCommInitRank(void** comm, int ranks, ncclUniqueId id, int rank) {
  if (ranks < 1 || ranks > mostRanks || rank < 0 || rank >= ranks) return invalidArgument;
  const int file = open(id.internal, O_RDWR | O_CREAT, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) return systemError;
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) return systemError;
  Comm* made = new Comm{static_cast<Shared*>(memory), ranks, rank};
  if (!meet(*made)) return systemError;
  if (rank == 0) unlink(id.internal);
  return *comm = made, success;
}
int ncclCommDestroy(void* comm) { return munmap(static_cast<Comm*>(comm)->shared, sizeof(Shared)), delete static_cast<Comm*>(comm), success; }
int ncclCommAbort(void* comm) { return ncclCommDestroy(comm); }
int ncclGroupStart() { return depth++, success; }
int ncclGroupEnd() { return depth-- > 0 ? success : invalidUsage; }
int ncclAllReduce(const void* from, void* to, size_t count, int type, int operation, void* comm, void* stream) {
  if (from != to || (type != float32 && type != float64) || comm == nullptr) return invalidArgument;
  if (operation != sum && operation != maximum && operation != minimum) return invalidArgument;
  const size_t bytes = count * (type == float32 ? 4 : 8);
  if (!emulated_on_device((unsigned long long)to, bytes)) return invalidArgument;
  const Comm* c = static_cast<Comm*>(comm);
  const int status = emulated_put("sum", stream, bytes, [=] {
    return type == float32 ? reduce(*c, static_cast<float*>(to), count, operation)
                           : reduce(*c, static_cast<double*>(to), count, operation);
  });
  return status == 0 ? success : invalidUsage;
}
int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, void* comm, void* stream) {
  const Comm* c = static_cast<Comm*>(comm);
  if (from != to || type != uint8 || c == nullptr || root < 0 || root >= c->ranks) return invalidArgument;
  if (!emulated_on_device((unsigned long long)to, count)) return invalidArgument;
  const int status = emulated_put("broadcast", stream, count, [=] {
    return exchange(*c, static_cast<const char*>(from), count,
                    [=](size_t first, size_t bytes) { memcpy((char*)to + first, c->shared->slots[root], bytes); });
  });
  return status == 0 ? success : invalidUsage;
}
int ncclAllGather(const void* from, void* to, size_t count, int type, void* comm, void* stream) {
  const Comm* c = static_cast<Comm*>(comm);
  if (type != uint8 || c == nullptr || !emulated_on_device((unsigned long long)from, count)) return invalidArgument;
  if (!emulated_on_device((unsigned long long)to, count * c->ranks)) return invalidArgument;
  const int status = emulated_put("gather", stream, count, [=] {
    return exchange(*c, static_cast<const char*>(from), count, [=](size_t first, size_t bytes) {
      for (int r = 0; r < c->ranks; r++) memcpy((char*)to + r * count + first, c->shared->slots[r], bytes);
    });
  });
  return status == 0 ? success : invalidUsage;
}
const char* ncclGetErrorString(int status) { return status == systemError ? "unhandled system error" : "invalid argument"; }
const char* ncclGetLastError(void*) { return "emulated"; }
}
