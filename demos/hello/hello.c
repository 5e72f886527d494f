/* A server that answers lines. Try: make, ./hello 7000, and in another terminal: nc 127.0.0.1 7000 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned answered; /* kept across updates */

/* What an update will change. */
static int answer(const char *line, char *reply, size_t size)
{
    answered++;
    return snprintf(reply, size, "hello %s, you are number %u\n", line, answered);
}

static int serve_client(int fd)
{
    char line[200], reply[300];
    ssize_t n = read(fd, line, sizeof line - 1);

    if (n <= 0)
        return 0;
    line[n] = 0;
    line[strcspn(line, "\r\n")] = 0;
    n = answer(line, reply, sizeof reply);
    return write(fd, reply, (size_t)n) == n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pollfd fds[17] = {{.events = POLLIN}};
    int count = 1, on = 1;

    address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 7000));
    fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fds[0].fd, (struct sockaddr *)&address, sizeof address) || listen(fds[0].fd, 16)) {
        perror("hello");
        return 1;
    }
    printf("hello: process %d\n", (int)getpid());
    fflush(stdout);
    for (;;) {
        if (poll(fds, (nfds_t)count, -1) < 0)
            return 1;
        for (int i = count - 1; i > 0; i--)
            if (fds[i].revents && !serve_client(fds[i].fd)) {
                close(fds[i].fd);
                fds[i] = fds[--count];
            }
        if (fds[0].revents && count < 17)
            fds[count++] = (struct pollfd){.fd = accept(fds[0].fd, NULL, NULL), .events = POLLIN};
    }
}
