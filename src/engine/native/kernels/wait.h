/* Sleeping until a number in memory changes. */
#ifndef WAIT_H
#define WAIT_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef __linux__
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Returns once *place is no longer `value`, or for no reason: the caller looks again. */
static inline void wait_for_change(_Atomic uint32_t *place, uint32_t value) {
  syscall(SYS_futex, place, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static inline void wake_all(_Atomic uint32_t *place) {
  syscall(SYS_futex, place, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
#include <pthread.h>

/* One lock for all places: only pools that have run out of work come here. */
extern pthread_mutex_t wait_lock;
extern pthread_cond_t wait_condition;

static inline void wait_for_change(_Atomic uint32_t *place, uint32_t value) {
  pthread_mutex_lock(&wait_lock);
  while (atomic_load(place) == value) pthread_cond_wait(&wait_condition, &wait_lock);
  pthread_mutex_unlock(&wait_lock);
}

static inline void wake_all(_Atomic uint32_t *place) {
  (void)place;
  pthread_mutex_lock(&wait_lock);
  pthread_cond_broadcast(&wait_condition);
  pthread_mutex_unlock(&wait_lock);
}
#endif

/* Tells the processor that the thread does nothing but look at memory. */
static inline void pause_processor(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

#endif
