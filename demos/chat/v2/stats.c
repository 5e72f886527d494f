/* Counting what is said. */
#include <string.h>

#include "chat.h"

unsigned longest_message;

void stats_note(const char *text)
{
    unsigned length = (unsigned)strlen(text);

    if (length > longest_message)
        longest_message = length;
}

void stats_show(struct session *s)
{
    session_send(s, "you are here for %s and said %u of %u messages, the longest has %u letters\n", format_age(s->since),
                 s->said, room_count(), longest_message);
}
