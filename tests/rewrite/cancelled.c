//! variant: -O2 -fexceptions
//! variant: -O0 -fexceptions
//! link: -lpthread
//! config: [[update-point]]
//! config: function = "serve"
//! config: entry = true
//! config: quiescent = ["read"]
//! output: handler
//! output: attribute
/* With unwind tables, cancelling a thread runs what it has to clean up: through a call that is wrapped, too. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static int pipes[2];

static __attribute__((noinline)) int serve(void)
{
    char c;
    return read(pipes[0], &c, 1) == 1;
}

static void handler(void *argument) { puts(argument); }
static void attribute(int *n) { puts(*n ? "attribute" : ""); }

static void *run(void *argument)
{
    __attribute__((cleanup(attribute))) int n = 1;
    pthread_cleanup_push(handler, "handler");
    while (serve())
        ;
    pthread_cleanup_pop(0);
    return argument;
}

int main(void)
{
    pthread_t thread;
    if (pipe(pipes) || pthread_create(&thread, NULL, run, NULL))
        return 1;
    usleep(50000);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    return 0;
}
