//! flags: -D_GNU_SOURCE
//! link: -lm
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread int per_thread = 5;
static const char *names[] = {"zero", "one", "two"};
static int calls;

static double __attribute__((noinline)) compute(double x)
{
    char text[32];
    snprintf(text, sizeof text, "%.3f", x * VERSION);
    return atof(text) + sqrt(x);
}

void command(const char *line)
{
    char copy[64];
    strncpy(copy, line, sizeof copy - 1);
    copy[sizeof copy - 1] = 0;
    per_thread += VERSION;
    printf("%s: %s %.2f %d %d\n", copy, names[VERSION], compute(4), per_thread, ++calls);
}
