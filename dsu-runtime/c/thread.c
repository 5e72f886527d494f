/* Thread state, quiescent calls, and access to thread-local variables of patches. */
#include "thread.h"

#include <stddef.h>

__thread struct dsu_thread_state dsu_thread __attribute__((tls_model("initial-exec"))) DSU_HIDDEN;

/* Blocks of this thread for the thread-local variables that patches define, by patch. */
struct dsu_tls_blocks {
    uint64_t count;
    char **blocks;
};
__thread struct dsu_tls_blocks dsu_tls_blocks __attribute__((tls_model("initial-exec"))) DSU_HIDDEN;

/* Not 0 from the first pthread_create on (glibc 2.32); absent elsewhere. */
extern char __libc_single_threaded __attribute__((weak));

/* The state is set as well: a signal handler may have left a blocking call with longjmp. */
DSU_AT_REST const void *dsu_quiescent_enter(const char *name)
{
    const void *outer = (const void *)(uintptr_t)__atomic_load_n(&dsu_thread.inside, __ATOMIC_RELAXED);
    __atomic_store_n(&dsu_thread.condition, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&dsu_thread.state, DSU_RUNNING, __ATOMIC_RELAXED);
    __atomic_store_n(&dsu_thread.inside, (uint64_t)(uintptr_t)name, __ATOMIC_RELEASE);
    return outer;
}

/* Quiescent calls nest: `outer` is what dsu_quiescent_enter returned. */
DSU_AT_REST void dsu_quiescent_leave(const void *outer)
{
    __atomic_store_n(&dsu_thread.inside, (uint64_t)(uintptr_t)outer, __ATOMIC_RELEASE);
}

/* A quiescent call may lie in a function further down, but only in one particular activation of it: its caller
 * passes a mark, which the first activation takes, so that nested ones find none. */
static __thread const char *dsu_mark __attribute__((tls_model("initial-exec")));

DSU_AT_REST void dsu_quiescent_pass(const char *name)
{
    dsu_mark = name;
}

DSU_AT_REST const char *dsu_quiescent_take(void)
{
    const char *name = dsu_mark;
    dsu_mark = NULL;
    return name;
}

DSU_HIDDEN struct dsu_thread_state *dsu_rt_thread(void)
{
    return &dsu_thread;
}

DSU_HIDDEN struct dsu_tls_blocks *dsu_rt_tls_blocks(void)
{
    return &dsu_tls_blocks;
}

DSU_HIDDEN int dsu_rt_single_threaded(void)
{
    return &__libc_single_threaded != NULL && __libc_single_threaded;
}

/* Where the main thread's stack began; a variable of the dynamic loader. */
extern void *__libc_stack_end;

/* Whether one of `values` (zeros aside) is on the calling thread's stack. 1 as well where that cannot be told: off the
 * main thread's stack. What lies next below that stack is at least 128 MiB away, so a nearer frame is in it. */
DSU_HIDDEN int dsu_rt_stack_has(const uint64_t *values, size_t count)
{
    volatile const uint64_t *word = __builtin_frame_address(0), *end = __libc_stack_end;
    if (word >= end || (size_t)((char *)end - (char *)word) > (size_t)128 << 20)
        return 1;
    for (; word < end; word++) {
        uint64_t value = *word;
        for (size_t index = 0; index < count; index++)
            if (value == values[index] && value != 0)
                return 1;
    }
    return 0;
}

/* Module identifiers of patches start here; the dynamic loader's own are small. dsu-runtime/src/tls.rs has the same. */
#define DSU_TLS_MODULES (UINT64_C(1) << 62)

struct dsu_tls_index {
    uint64_t module;
    uint64_t offset;
};

extern void *__tls_get_addr(struct dsu_tls_index *index);

/* What patches call for `__tls_get_addr`. */
DSU_HIDDEN void *dsu_rt_tls_get_addr(struct dsu_tls_index *index)
{
    if (index->module < DSU_TLS_MODULES)
        return __tls_get_addr(index);
    uint64_t module = index->module - DSU_TLS_MODULES;
    if (DSU_LIKELY(module < dsu_tls_blocks.count && dsu_tls_blocks.blocks[module] != NULL))
        return dsu_tls_blocks.blocks[module] + index->offset;
    return (char *)dsu_rt_tls_block(module) + index->offset;
}

/* The start of the executable's thread-local variables in this thread (it is module 1), relative to the thread pointer. */
DSU_HIDDEN int64_t dsu_rt_executable_tls(void)
{
    struct dsu_tls_index index = {1, 0};
    return (char *)__tls_get_addr(&index) - (char *)__builtin_thread_pointer();
}

/* gdb's JIT interface: gdb puts a breakpoint here. Weak: the program may have a copy of its own. */
__attribute__((weak, noinline, used)) void __jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory");
}

struct dsu_jit_descriptor {
    uint32_t version;
    uint32_t action;
    void *relevant;
    void *first;
};
__attribute__((weak, used)) struct dsu_jit_descriptor __jit_debug_descriptor = {1, 0, NULL, NULL};
