#if VERSION == 1
/* Numbers that are, or happen to be, the number of the line they are in. */
#include <stdio.h>

static const int limit = 5;
#elif VERSION == 2
/* Numbers that are, or happen to be, the number of the line
 * they are in. */
#include <stdio.h>
static const int limit = 10;
#else
/* This one
 * is the second one,
 * further down. */
#include <stdio.h>
static const int limit = 10;
#endif
#define SAY(text) printf("%s %s %d\n", text, __FILE__, __LINE__)
#if VERSION == 3
#line 40
#endif

void command(const char *line)
{
    if (*line == 's')
        SAY("said");
    else
        printf("%d\n", limit);
}
