/* A small chat server: lines in, lines out, one process, one poll loop. */
#ifndef CHAT_H
#define CHAT_H

#include <stddef.h>
#include <time.h>

#define MAX_SESSIONS 32
#define HISTORY 16

struct session {
    int fd; /* -1 if the place is free */
    unsigned id;
    char name[32];
    void (*on_line)(struct session *, char *line); /* what the next line means */
    unsigned said;
    time_t since;
    size_t length;
    char input[512];
};

struct message {
    char from[32];
    char text[256];
};

/* server.c */
extern struct session sessions[MAX_SESSIONS];
int serve(int listener);

/* session.c */
void session_open(struct session *s, int fd);
void session_close(struct session *s);
void session_input(struct session *s);
void session_send(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* command.c */
void command_run(struct session *s, char *line);

/* room.c */
void room_say(struct session *from, const char *text);
void room_last(struct session *s, unsigned count);
unsigned room_count(void);

/* stats.c */
extern unsigned longest_message;
void stats_note(const char *text);
void stats_show(struct session *s);

/* format.c */
const char *format_message(const struct message *m, unsigned number);
const char *format_age(time_t since);

#endif
