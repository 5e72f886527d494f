//! link: -Wl,--as-needed,--unresolved-symbols=ignore-in-shared-libs -lthread_db -lm
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern int td_init(void);

void command(const char *line)
{
#if VERSION == 1
    printf("%s: %zu\n", line, strlen(line));
#elif VERSION == 2
    /* Library functions and variables that the old program does not use. */
    char *copy = strdup(line), *end;
    errno = 0;
    for (char *p = copy; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    long number = strtol("12x", &end, 10);
    fprintf(stdout, "%s: %ld %d %s\n", copy, number, optind, end);
    fflush(stdout);
    free(copy);
#else
    printf("%s: %d\n", line, td_init());
#endif
}
