/* The event loop. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chat.h"

struct session sessions[MAX_SESSIONS];

static void greet_new_client(int listener)
{
    int fd = accept(listener, NULL, NULL), on = 1;

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    for (int i = 0; i < MAX_SESSIONS; i++)
        if (sessions[i].fd < 0) {
            session_open(&sessions[i], fd);
            return;
        }
    close(fd); /* the room is full */
}

int serve(int listener)
{
    struct pollfd fds[MAX_SESSIONS + 1];

    for (int i = 0; i < MAX_SESSIONS; i++)
        sessions[i].fd = -1;
    for (;;) {
        for (int i = 0; i < MAX_SESSIONS; i++)
            fds[i] = (struct pollfd){.fd = sessions[i].fd, .events = POLLIN};
        fds[MAX_SESSIONS] = (struct pollfd){.fd = listener, .events = POLLIN};
        if (poll(fds, MAX_SESSIONS + 1, -1) < 0) {
            perror("poll"); /* no signal handler is installed: this is never a mere interruption */
            return 1;
        }
        for (int i = 0; i < MAX_SESSIONS; i++)
            if (fds[i].revents && sessions[i].fd == fds[i].fd)
                session_input(&sessions[i]);
        if (fds[MAX_SESSIONS].revents)
            greet_new_client(listener);
    }
}
