/* The room: who said what. */
#include <stdio.h>
#include <string.h>

#include "chat.h"

static struct message history[HISTORY];
static unsigned said_in_total;

void room_say(struct session *from, const char *text)
{
    struct message *m = &history[said_in_total++ % HISTORY];

    stats_note(text);
    snprintf(m->from, sizeof m->from, "%s", from->name);
    snprintf(m->text, sizeof m->text, "%s", text);
    for (int i = 0; i < MAX_SESSIONS; i++)
        if (sessions[i].fd >= 0 && sessions[i].name[0])
            session_send(&sessions[i], "%s", format_message(m, said_in_total));
}

void room_last(struct session *s, unsigned count)
{
    if (count > said_in_total)
        count = said_in_total;
    if (count > HISTORY)
        count = HISTORY;
    for (unsigned n = said_in_total - count; n < said_in_total; n++)
        session_send(s, "%s", format_message(&history[n % HISTORY], n + 1));
}

unsigned room_count(void)
{
    return said_in_total;
}
