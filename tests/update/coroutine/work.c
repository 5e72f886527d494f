#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

struct state {
    long a[8];
    int step;
#if VERSION < 3
    int limit;
#else
    long limit;
#endif
};

static ucontext_t outside, inside;
static struct state *state;
static const char *said;

static void pause_here(void) { swapcontext(&inside, &outside); }

static void body(void)
{
    for (;;) {
        state->step++;
        printf("%s: step %d, limit %ld\n", said, state->step, (long)state->limit);
        pause_here();
    }
}

static void begin(void)
{
    static char stack[1 << 18];
    state = calloc(1, sizeof *state);
    state->limit = 10;
    getcontext(&inside);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = sizeof stack;
    makecontext(&inside, body, 0);
}

void command(const char *line)
{
    said = line;
#if VERSION >= 2
    if (!line[0])
        puts("empty");
#endif
    if (!state)
        begin();
    swapcontext(&outside, &inside);
}
