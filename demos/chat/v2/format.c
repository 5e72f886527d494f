/* How things look. */
#include <stdio.h>

#include "chat.h"

const char *format_message(const struct message *m, unsigned number)
{
    static char line[320];

    snprintf(line, sizeof line, "#%u %s: %s\n", number, m->from, m->text);
    return line;
}

const char *format_age(time_t since)
{
    static char text[32];

    snprintf(text, sizeof text, "%ld s", (long)(time(NULL) - since));
    return text;
}
