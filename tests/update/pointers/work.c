/* The same in both versions: it keeps pointers. */
#include <stdio.h>
#include <stdlib.h>

#include "handlers.h"

struct session { handler *current; struct session *next; };
static struct session *sessions;

void command(const char *line)
{
    handler *chosen = choose(line);
    if (chosen) {
        struct session *s = malloc(sizeof *s);
        s->current = chosen;
        s->next = sessions;
        sessions = s;
    }
    printf("%s:", line);
    for (struct session *s = sessions; s; s = s->next)
        printf(" %d%s%s", s->current(1), s->current == chosen ? "=" : "", is_alpha(s->current) ? "a" : "");
    printf(" | %d %d\n", registered[0] == alpha, registered[1](5) == beta(5));
}
