#include <stdio.h>
#include <string.h>

/* A set that could be walked again, for all that can be seen; dsu.toml says that it is not. */
struct test {
    const char *name;
    int number;
};
#define TEST(n, i) static struct test n __attribute__((section("tests"), used)) = {#n, i}

TEST(first, VERSION);
#if VERSION == 2
TEST(second, 2);
#endif
extern struct test __start_tests[], __stop_tests[];

static struct range {
    struct test *from, *to;
} range = {__start_tests, __stop_tests};

void command(const char *line)
{
    int n = 0;
    for (struct test *t = range.from; t < range.to; t++)
        n += t->number;
    printf("%s: %d v%d\n", line, n, VERSION);
}
