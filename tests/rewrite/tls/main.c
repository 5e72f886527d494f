/* Thread-local variables: static, external, of functions, with and without initial values. */
//! link: -pthread
//! variant: -O0 -g
//! variant: -O2
//! variant: -O2 -fPIE -pie
//! variant: -O1 -no-pie -fno-pie
//! variant: -O2 -ftls-model=initial-exec
#include <pthread.h>
#include <stdio.h>

extern __thread int shared;
extern _Thread_local const char *name;
static __thread int own = 3;
static __thread struct { int x, y; } pair;
int bump(void);
int *address(void);

static int local(void)
{
    static __thread int calls, more = 10;
    return ++calls + more;
}

static void *body(void *argument)
{
    own += *(int *)argument;
    pair.y = own;
    shared += 5;
    bump();
    printf("%d %d %d %s %d %d\n", own, pair.y, shared, name, local(), *address() == shared);
    return address();
}

int main(void)
{
    pthread_t thread;
    void *other;
    int one = 1;
    local();
    name = "main";
    shared = 100;
    pthread_create(&thread, NULL, body, &one);
    pthread_join(thread, &other);
    printf("%d\n", other != address());
    body(&one);
    printf("%d\n", local());
    return 0;
}
