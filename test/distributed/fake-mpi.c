/* An MPI library of one process that takes only the handles of its ABI: STANDARD of MPI 5.0, else those of Open MPI.
   Its world pretends to have two equal ranks, so sums are doubled. */
#include <unistd.h>
#include <stdint.h>
#include <string.h>

#ifdef STANDARD
#define WORLD ((void *)0x101)
#define FLOAT ((void *)0x210)
#define DOUBLE ((void *)0x214)
#define BYTE ((void *)0x247)
#define SUM ((void *)0x21)
#define MAX ((void *)0x23)
#define ERRORS_RETURN ((void *)0x143)
int MPI_Abi_get_version(int *major, int *minor) { *major = 1; *minor = 0; return 0; }
#else
char ompi_mpi_comm_world[8], ompi_mpi_float[8], ompi_mpi_double[8], ompi_mpi_byte[8], ompi_mpi_op_sum[8], ompi_mpi_op_max[8],
    ompi_mpi_op_min[8], ompi_mpi_errors_return[8];
#define WORLD ((void *)ompi_mpi_comm_world)
#define FLOAT ((void *)ompi_mpi_float)
#define DOUBLE ((void *)ompi_mpi_double)
#define BYTE ((void *)ompi_mpi_byte)
#define SUM ((void *)ompi_mpi_op_sum)
#define MAX ((void *)ompi_mpi_op_max)
#define ERRORS_RETURN ((void *)ompi_mpi_errors_return)
#endif

enum { success = 0, wrong = 5 };

int MPI_Get_library_version(char *text, int *length) {
  strcpy(text, "Fake MPI 1.0\nof a test");
  *length = (int)strlen(text);
  return success;
}
int MPI_Error_string(int code, char *text, int *length) {
  strcpy(text, code == wrong ? "a foreign handle" : "unknown");
  *length = (int)strlen(text);
  return success;
}
int MPI_Init_thread(int *count, char ***values, int wanted, int *provided) {
#ifdef ALONE
  for (;;) pause();
#endif
  *provided = THREADS;
  return count == 0 && values == 0 ? success : wrong;
}
int MPI_Comm_set_errhandler(void *world, void *handler) { return world == WORLD && handler == ERRORS_RETURN ? success : wrong; }
int MPI_Comm_rank(void *world, int *rank) { *rank = 1; return world == WORLD ? success : wrong; }
int MPI_Comm_size(void *world, int *size) { *size = 2; return world == WORLD ? success : wrong; }

static int looks;
int MPI_Ibarrier(void *world, void **request) { looks = 0; *request = &looks; return world == WORLD ? success : wrong; }
int MPI_Test(void **request, int *done, void *status) {
  *done = ++looks > 3;
  return *request == &looks && status == 0 ? success : wrong;
}
int MPI_Allreduce(const void *from, void *to, int count, void *type, void *operation, void *world) {
  if (from != (void *)1 || world != WORLD || (operation != SUM && operation != MAX)) return wrong;
  if (type != FLOAT && type != DOUBLE) return wrong;
  int factor = operation == SUM ? 2 : 1;
  for (int i = 0; i < count; i++) {
    if (type == FLOAT) ((float *)to)[i] *= factor;
    else ((double *)to)[i] *= factor;
  }
  return success;
}
int MPI_Bcast(void *to, int count, void *type, int root, void *world) {
  if (type != BYTE || world != WORLD || root != 0) return wrong;
  memset(to, 7, (size_t)count);
  return success;
}
int MPI_Allgather(const void *from, int count, void *type, void *to, int same, void *like, void *world) {
  if (type != BYTE || like != BYTE || count != same || world != WORLD) return wrong;
  for (int rank = 0; rank < 2; rank++) memcpy((char *)to + rank * count, from, (size_t)count);
  return success;
}
int MPI_Finalize(void) {
#ifdef HELD
  for (;;) pause();
#endif
  return success;
}
