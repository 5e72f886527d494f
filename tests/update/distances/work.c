/* Fields from one to another cleared at once. */
#include <stdio.h>
#include <string.h>

struct session {
    char name[64];
    int first;
#if VERSION == 2
    int between;
#endif
    long counts[3];
    int behind;
};

static struct session session;

static void clear(struct session *s)
{
    memset(&s->first, 0, (char *)&s->behind - (char *)&s->first);
}

void command(const char *line)
{
    clear(&session);
    session.counts[0]++;
#if VERSION == 2
    printf("between %d ", session.between++);
#endif
    printf("%s %ld\n", line, session.counts[0]);
}
