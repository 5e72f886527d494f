#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int loud;

/* Tables of options: getopt_long looks at them while it is called. */
static const struct option options[] = {
    {"alpha", no_argument, NULL, 'a'},
#if VERSION > 1
    {"beta", no_argument, NULL, 'b'},
#endif
    {"loud", no_argument, &loud, VERSION},
    {NULL, 0, NULL, 0},
};

/* getopt_long may put these into another order. */
static char first[] = "work", plain[] = "plain", beta[] = "--beta", noisy[] = "--loud";
static char *words[] = {
    first, plain, beta, noisy,
#if VERSION > 2
    NULL,
#endif
};

/* A table whose rows have no type name, and are written. */
static struct {
    const char *name;
    int seen;
} uses[] = {
    {"alpha", 0},
#if VERSION > 3
    {"beta", 0},
#endif
};

void command(const char *line)
{
    int found = 0, c;
    optind = 0;
    opterr = 0;
    while ((c = getopt_long(4, words, "", options, NULL)) != -1)
        found = c == '?' ? found : found * 1000 + c;
    uses[0].seen++;
    printf("%s: found %d, loud %d, %s first, %d options, seen %d\n", line, found, loud, words[1],
           (int)(sizeof options / sizeof *options), uses[0].seen);
}
