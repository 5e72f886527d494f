/* What the C and the Rust half of libdsu share. Layouts: dsu-abi/src/control.rs. */
#ifndef DSU_RUNTIME_THREAD_H
#define DSU_RUNTIME_THREAD_H

#include <stdint.h>

#define DSU_HIDDEN __attribute__((visibility("hidden")))
/* What a program calls at rest: kept close to its own code, so that a process that has just been forked need not fault in
 * pages of its own for it. */
#define DSU_AT_REST DSU_HIDDEN __attribute__((hot))
#define DSU_LIKELY(x) __builtin_expect(!!(x), 1)
#define DSU_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* ThreadState: all but `kicked` is written by the thread, `kicked` by the pusher while it holds the thread stopped. */
struct dsu_thread_state {
    uint64_t inside;
    uint32_t state;
    uint32_t kicked;
    uint64_t stack;
    uint64_t condition;
};

enum { DSU_RUNNING = 0, DSU_BLOCKED = 1, DSU_PARKED = 2, DSU_LEADING = 3, DSU_SERVING = 4 };

/* In `condition`: the thread sleeps, and making its system call return would not wake it. No condition variable is here. */
#define DSU_NOT_WAKEABLE UINT64_C(1)

extern __thread struct dsu_thread_state dsu_thread __attribute__((tls_model("initial-exec"))) DSU_HIDDEN;

/* In the control block: not 0 while a request waits. */
extern volatile unsigned dsu_pending DSU_HIDDEN;

/* Serves or waits for the request that is pending. 0: this thread may not be updated here, as it runs a signal handler. */
int dsu_rt_serve(void);

/* This thread's block of the thread-local variables of patch `module`, made on first use. */
void *dsu_rt_tls_block(uint64_t module);

#endif
