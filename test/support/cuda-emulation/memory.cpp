// The part of the CUDA driver API that is about the device and its memory: blocks of the host, with their sizes.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>

#include "driver.h"

namespace {
std::map<Pointer, size_t> deviceMemory, hostMemory;
size_t totalMemory = size_t(4) << 30, usedMemory = 0;
/** Page-locked memory of the host. */
size_t hostLimit = size_t(-1), usedHostMemory = 0;

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
}  // namespace

/** For cublaslt.cpp and nccl.cpp. */
bool emulated_on_device(Pointer address, size_t bytes) { return inside(deviceMemory, address, bytes); }

extern "C" {
// For tests.
void emulated_set_memory(size_t bytes) { totalMemory = bytes; }
size_t emulated_used_memory() { return usedMemory; }
void emulated_set_host_memory(size_t bytes) { hostLimit = bytes; }

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
  emulated_work_all();  // as the driver waits
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
  emulated_work_all();
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
  return emulated_put("to-device", stream, bytes, [=] { return memcpy(reinterpret_cast<void*>(to), from, bytes), success; });
}
int cuMemcpyDtoHAsync_v2(void* to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, from, bytes) || !inside(hostMemory, reinterpret_cast<Pointer>(to), bytes))
    return invalidValue;
  return emulated_put("to-host", stream, bytes, [=] { return memcpy(to, reinterpret_cast<void*>(from), bytes), success; });
}
int cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes) || !inside(deviceMemory, from, bytes)) return invalidValue;
  return emulated_put("on-device", stream, bytes, [=] {
    return memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), bytes), success;
  });
}
int cuMemsetD8Async(Pointer to, unsigned char byte, size_t bytes, void* stream) {
  if (!inside(deviceMemory, to, bytes)) return invalidValue;
  return emulated_put("fill", stream, bytes, [=] { return memset(reinterpret_cast<void*>(to), byte, bytes), success; });
}
}
