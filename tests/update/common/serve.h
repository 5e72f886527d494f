/* For the programs of update tests. */
#ifndef SERVE_H
#define SERVE_H

#include <stdio.h>
#include <unistd.h>

/* Reads a line from standard input, byte by byte, so that nothing is buffered. Returns its length, or -1 at the end.
 * The update point of most programs: `quiescent = ["next_line"]`. */
static inline int next_line(char *to, int size)
{
    int n = 0;
    while (n < size - 1) {
        ssize_t got = read(0, to + n, 1);
        if (got < 0)
            perror("read");
        if (got <= 0)
            return -1;
        if (to[n] == '\n')
            break;
        n++;
    }
    to[n] = 0;
    return n;
}

#endif
