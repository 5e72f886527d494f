/* Macros whose result depends on the text: __LINE__, assert, __func__, __COUNTER__, stringification. */
//! exit: 0
//! indirect: check failing
#include <assert.h>
#include <stdio.h>
#include <string.h>

int check(int x), failing(int);

#define WHERE() __LINE__, __func__, __FILE__
#define LOG(f, ...) log_call(__FILE__, __LINE__, #f, f(__VA_ARGS__))
#define TWICE(f, x) (f)((f)(x))
#define DEFINE(name, factor) \
    static int name(int x) \
    { \
        return x * factor + __LINE__; \
    }
#define check(x) (check)(x)
#define EMPTY

DEFINE(doubled, 2) DEFINE(tripled, 3)

static void log_call(const char *file, int line, const char *text, int result)
{
    printf("%s:%d: %s = %d\n", strrchr(file, '/') ? "path" : file, line, text, result);
}

int (check)(int x)
{
    assert(x > 0 && "positive");
    return x + __LINE__;
}

int failing(int x)
{
    static const char *const name = __func__;
    printf("%s %d\n", __FUNCTION__, name == __func__ || !strcmp(name, __func__));
    return x;
}

int unique_a = __COUNTER__, unique_b = __COUNTER__;

#line 1000 "generated.c"
static int in_generated(int x)
{
    return check(x) + __LINE__;
}
#line 45 "macros.c"

int main(void)
{
    printf("%d %s %s\n", WHERE());
    LOG(check, 3);
    LOG(failing,
        4);
    printf("%d %d\n", TWICE(check, 1), TWICE(failing, 2));
    printf("%d %d\n", doubled(1), tripled EMPTY(1));
    printf("%d %d %d\n", unique_a, unique_b, in_generated(5));
    printf("%d\n", check(
        check(
            1)
    ));
    return 0;
}
