#include <stdio.h>

/* Each use of the macro has its own record: a constant part and a written one, numbered at start by way of a linker set. */
struct data {
    const char *hash;
    int number, uses;
};
struct ref {
    struct data *data;
    int line;
    const char *text;
};
#define PASTE(a, b) a##b
#define NAMED(a, n) PASTE(a, n)
#define LOG(msg)                                                                                                      \
    do {                                                                                                              \
        static struct data _d = {.hash = msg};                                                                        \
        static const struct ref _r = {&_d, __LINE__, msg};                                                            \
        static const struct ref *const NAMED(p_, __COUNTER__) __attribute__((section("refs"), used)) = &_r;           \
        say(&_r);                                                                                                     \
    } while (0)

extern const struct ref *const __start_refs[];
extern const struct ref *const __stop_refs[];

__attribute__((constructor)) static void number(void)
{
    int n = 0;
    for (const struct ref *const *r = __start_refs; r < __stop_refs; r++)
        (*r)->data->number = ++n;
}

static void say(const struct ref *r)
{
    printf(" (%d %s %d)", r->data->number, r->data->hash, ++r->data->uses);
}

static void work(void)
{
#if VERSION == 1
    LOG("a");
    LOG("b");
#elif VERSION == 2
    LOG("new");
    LOG("a");
    LOG("b");
#elif VERSION == 3
    LOG("new");
    LOG("a");
    LOG("mid");
    LOG("b");
#elif VERSION == 4
    LOG("new");
    LOG("a");
    LOG("mid");
    LOG("b");
    LOG("end");
#elif VERSION == 5
    LOG("end");
    LOG("mid");
    LOG("b");
#elif VERSION == 6
    LOG("end");
    LOG("other");
    LOG("more");
    LOG("b");
#else
    LOG("new");
    LOG("a");
    LOG("mid");
    LOG("b");
    LOG("b");
    LOG("b");
    LOG("end");
#endif
}

void command(const char *line)
{
    printf("%s:", line);
    work();
    printf("\n");
}
