/*
 * Runs the functions of the native library for another process: usage: program FILE ADDRESS BYTES REQUESTS ANSWERS. The memory of
 * programs is FILE, which both processes map at ADDRESS, so that addresses mean the same in both. A request is a function and four
 * arguments, int64 each; the answer is what the function returns. emulated-library.ts is the other side.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../src/engine/native/kernels/pool.h"
#include "../../../src/engine/native/kernels/program.h"

typedef int64_t function(int64_t, int64_t, int64_t, int64_t);

int64_t native_run(struct pool *, struct program *, void *, int64_t);
struct pool *native_pool_open(int32_t);
void native_pool_close(struct pool *);
int64_t native_kernel_find(const char *);
void *native_kernel_address(int64_t);
int64_t native_kernel_argument_bytes(int64_t);
int64_t native_kernel_scratch(int64_t, const void *, int64_t);
int64_t native_panel_columns(void);
int64_t native_panel_bytes(int64_t, int64_t, int32_t);

/* In the order of `served` in emulated-library.ts. */
static function *const functions[] = {
    (function *)native_run,
    (function *)native_pool_open,
    (function *)native_pool_close,
    (function *)native_kernel_find,
    (function *)native_kernel_address,
    (function *)native_kernel_argument_bytes,
    (function *)native_kernel_scratch,
    (function *)native_panel_columns,
    (function *)native_panel_bytes,
};

int main(int count, char **list) {
  if (count != 6) return 2;
  void *address = (void *)strtoull(list[2], NULL, 10);
  int file = open(list[1], O_RDWR);
  if (mmap(address, strtoull(list[3], NULL, 10), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0) !=
      address) {
    perror("the memory cannot be mapped where the other process has it");
    return 1;
  }
  int requests = open(list[4], O_RDONLY), answers = open(list[5], O_WRONLY);
  int64_t request[5];
  while (read(requests, request, sizeof request) == sizeof request) {
    int64_t answer = functions[request[0]](request[1], request[2], request[3], request[4]);
    if (write(answers, &answer, sizeof answer) != sizeof answer) return 1;
  }
  return 0;
}
