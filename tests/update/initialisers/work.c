#include <stdio.h>

#include "limits.h"

static int changed_by_use = VERSION * 10;
static int never_written = VERSION * 100;
static const int constant_array[] = {VERSION, VERSION + 1};
const int exported_constant = VERSION * 1000;
int exported_never_written = VERSION * 10000;
int exported_written = VERSION * 7;
const char *const exported_name = VERSION == 1 ? "one" : "two";
static const struct { int a; const char *b; } record = {VERSION, VERSION == 1 ? "old" : "new"};
#if VERSION == 1
static const char message[] = "first";
#else
static const char message[] = "other";
#endif

void command(const char *line)
{
    (void)line;
    changed_by_use++;
    exported_written++;
    printf("%d %d %d %d %s %s\n", changed_by_use, never_written, constant_array[1], record.a, record.b, message);
    user();
}
