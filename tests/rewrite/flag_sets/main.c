/* One program under many sets of flags. */
//! flags: -D_GNU_SOURCE
//! link: -pthread -lm
//! variant: -O2 -flto
//! variant: -O2 -flto -fuse-linker-plugin -ffat-lto-objects -g
//! variant: -O2 -s -Wl,-z,now -Wl,-z,relro
//! variant: -Os -fno-asynchronous-unwind-tables -fomit-frame-pointer
//! variant: -O1 -fstack-protector-all -D_FORTIFY_SOURCE=2 -fcf-protection=full -fstack-clash-protection
//! variant: -O0 -g3 -gz -Wl,--gc-sections -ffunction-sections -fdata-sections
//! variant: -O3 -fno-plt -fno-semantic-interposition -march=native
//! variant: -O2 -no-pie -fno-pie -mcmodel=medium
//! variant: -O2 -mcmodel=large
//! variant: -O2 -mforce-indirect-call
//! variant: -O2 -mindirect-branch=thunk-inline
//! variant: -O2 -masm=intel
//! variant: -O2 -std=c11 -fvisibility=hidden -Wl,--as-needed,-O1,--hash-style=gnu
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void *body(void *argument)
{
    per_thread += *(int *)argument;
    return (void *)(long)per_thread;
}

_Noreturn static void leave(int code)
{
    fflush(stdout);
    _exit(code);
}

static int in_child(void)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = vfork();
    if (pid == 0)
        _exit(7);
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static int on_stack(int n)
{
    int *numbers = __builtin_alloca(sizeof(int) * (size_t)n), sum = 0;
    for (int i = 0; i < n; i++)
        numbers[i] = twice(n - i);
    qsort(numbers, (size_t)n, sizeof(int), compare);
    for (int i = 0; i < n; i++)
        sum = sum * 3 + numbers[i];
    return sum;
}

int main(void)
{
    pthread_t thread;
    void *result;
    int five = 5;
    char text[50];
    pthread_create(&thread, NULL, body, &five);
    pthread_join(thread, &result);
    snprintf(text, sizeof text, "%s %.2f", names[1], sqrt(twice(8)));
    printf("%ld %s %d %d\n", (long)result, text, on_stack(5), in_child());
    printf("%d %d\n", table[1].run(4), table[0].run == twice);
    printf("%d\n", per_thread);
    leave(0);
}
