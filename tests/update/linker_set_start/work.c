#include <stdio.h>

/* Handlers register themselves; their pointers are named by number, as in FRR. */
struct handler {
    const char *name;
    const char *(*run)(void);
};
#define PASTE(a, b) a##b
#define NAMED(a, n) PASTE(a, n)
#define HANDLER(n, text)                                                                                              \
    static const char *run_##n(void)                                                                                  \
    {                                                                                                                 \
        return text;                                                                                                  \
    }                                                                                                                 \
    static const struct handler n = {#n, run_##n};                                                                    \
    static const struct handler *const NAMED(p_, __COUNTER__) __attribute__((section("handlers"), used)) = &n

#if VERSION == 1
HANDLER(one, "one1");
HANDLER(two, "two1");
#elif VERSION == 2
HANDLER(zero, "zero2");
HANDLER(one, "one2");
HANDLER(two, "two2");
#else
HANDLER(zero, "zero3");
HANDLER(one, "one3");
#endif

extern const struct handler *const __start_handlers[];
extern const struct handler *const __stop_handlers[];
static const struct handler *found[8];
static int count;

static void add(const struct handler *handler)
{
    found[count++] = handler;
}

__attribute__((constructor)) static void collect(void)
{
    for (const struct handler *const *h = __start_handlers; h < __stop_handlers; h++)
        add(*h);
}

void command(const char *line)
{
    printf("%s:", line);
    for (int i = 0; i < count; i++)
        printf(" %s", found[i]->run());
    printf("\n");
}
