// Writes how far a replayed program has come to memory of the host, for errors that leave the device unusable.
#include "common.cuh"

extern "C" __global__ void mark(u32* place, u32 position) { *place = position; }
