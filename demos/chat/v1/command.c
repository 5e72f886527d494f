/* The commands, in a table. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chat.h"

static void do_help(struct session *s, char *argument);

static void do_say(struct session *s, char *argument)
{
    s->said++;
    room_say(s, argument);
}

static void do_who(struct session *s, char *argument)
{
    (void)argument;
    for (int i = 0; i < MAX_SESSIONS; i++)
        if (sessions[i].fd >= 0 && sessions[i].name[0])
            session_send(s, "%s said %u\n", sessions[i].name, sessions[i].said);
    session_send(s, ".\n");
}

static void do_last(struct session *s, char *argument)
{
    room_last(s, (unsigned)atoi(argument));
    session_send(s, ".\n");
}

static void do_quit(struct session *s, char *argument)
{
    (void)argument;
    session_send(s, "bye\n");
    session_close(s);
}

struct command {
    const char *name;
    void (*run)(struct session *, char *argument);
    const char *help;
};

static const struct command commands[] = {
    {"say", do_say, "say something to all"},
    {"who", do_who, "who is here, and how much they said"},
    {"last", do_last, "the last messages"},
    {"help", do_help, "this list"},
    {"quit", do_quit, "leave"},
};

static void do_help(struct session *s, char *argument)
{
    (void)argument;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        session_send(s, "%s: %s\n", commands[i].name, commands[i].help);
    session_send(s, ".\n");
}

void command_run(struct session *s, char *line)
{
    char *argument = line + strcspn(line, " ");

    if (*argument)
        *argument++ = 0;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (!strcasecmp(line, commands[i].name)) {
            commands[i].run(s, argument);
            return;
        }
    session_send(s, "unknown command: %s\n", line);
}
