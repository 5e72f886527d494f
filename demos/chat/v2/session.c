/* A session: a connection, a name, and what its next line means. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chat.h"

static void choose_name(struct session *s, char *line)
{
    snprintf(s->name, sizeof s->name, "%s", *line ? line : "nobody");
    s->on_line = command_run;
    session_send(s, "hello %s, you are number %u\n", s->name, s->id);
}

void session_open(struct session *s, int fd)
{
    static unsigned next_id = 1;

    memset(s, 0, sizeof *s);
    s->fd = fd;
    s->id = next_id++;
    s->since = time(NULL);
    s->on_line = choose_name;
    session_send(s, "welcome to chat 2, what is your name?\n");
}

void session_close(struct session *s)
{
    close(s->fd);
    s->fd = -1;
}

void session_input(struct session *s)
{
    ssize_t n = read(s->fd, s->input + s->length, sizeof s->input - s->length - 1);
    char *end;

    if (n <= 0) {
        session_close(s);
        return;
    }
    s->length += (size_t)n;
    s->input[s->length] = 0;
    while (s->fd >= 0 && (end = strchr(s->input, '\n'))) {
        char line[sizeof s->input];
        size_t used = (size_t)(end - s->input) + 1;

        memcpy(line, s->input, used - 1);
        line[used - 1] = 0;
        memmove(s->input, s->input + used, s->length - used + 1);
        s->length -= used;
        s->on_line(s, line);
    }
    if (s->length == sizeof s->input - 1)
        s->length = 0; /* a line too long: forget it */
}

void session_send(struct session *s, const char *format, ...)
{
    char text[600];
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (n > 0 && write(s->fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1) < 0)
        session_close(s);
}
