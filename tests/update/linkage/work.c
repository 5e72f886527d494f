#include <stdio.h>

#if VERSION == 1
#define WAS_STATIC static
#define BECOMES_STATIC
#else
#define WAS_STATIC
#define BECOMES_STATIC static
#endif

WAS_STATIC int counter = 10;
BECOMES_STATIC int other_counter = 20;
static int seen_by_block = 30;
const int was_const = 5;

WAS_STATIC int function(int x);
BECOMES_STATIC int other_function(int x);
static int (*kept)(int);
static int (*other_kept)(int);

WAS_STATIC int function(int x)
{
    return x + 1000 * VERSION + counter++;
}

BECOMES_STATIC int other_function(int x)
{
    extern int seen_by_block;
    return x + 1000 * VERSION + other_counter++ + seen_by_block++;
}

void command(const char *line)
{
    if (!kept) {
        kept = function;
        other_kept = other_function;
    }
    int a = function(1), b = kept(2), c = other_function(3), d = other_kept(4);
    printf("%s: %d %d %d %d %d %d\n", line, a, b, c, d, kept == function, other_kept == other_function);
}
