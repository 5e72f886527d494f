/* C11 atomics, static assertions, alignment, generic selections with functions, noreturn. */
//! flags: -std=gnu11
#include <assert.h>
#include <stdatomic.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <threads.h>

static atomic_int counter = 3;
static _Atomic long total;
static _Atomic(int) typed = 1;
static alignas(32) char buffer[32];
static atomic_flag flag = ATOMIC_FLAG_INIT;
struct node { _Atomic(struct node *) next; int value; };
static struct node *_Atomic head;
_Thread_local int mine = 4;

int add(int x)
{
    return atomic_fetch_add(&counter, x) + x;
}

noreturn void leave(int code);

static int body(void *argument)
{
    mine++;
    total += add(*(int *)argument) + mine;
    return 5;
}

int main(void)
{
    static_assert(sizeof buffer == 32, "size");
    struct node node = {NULL, 6};
    thrd_t thread;
    int two = 2, result;
    atomic_store(&head, &node);
    thrd_create(&thread, body, &two);
    thrd_join(thread, &result);
    printf("%d %ld %d %d\n", counter, total, result, atomic_load(&head)->value);
    printf("%d %d\n", atomic_flag_test_and_set(&flag), atomic_flag_test_and_set(&flag));
    typed += add(1);
    __atomic_add_fetch(&typed, 2, __ATOMIC_SEQ_CST);
    printf("%d %d\n", typed, (int)((unsigned long)buffer % 32));
    leave(0);
}

#include <stdlib.h>

noreturn void leave(int code)
{
    exit(code);
}
