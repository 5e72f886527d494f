/* Facts of units that stay are handed on from patch to patch with places in their own text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

int one(void);

static struct session *session;

void command(const char *line)
{
    if (!session)
        session = calloc(1, sizeof *session);
    session->count += one();
#if VERSION >= 2
    session->added += VERSION;
    printf("%s %d %d\n", line, session->count, session->added);
#else
    printf("%s %d\n", line, session->count);
#endif
}
