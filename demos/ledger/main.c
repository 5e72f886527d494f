/* The server: one line in, one line out. Knows nothing of the ledger's data. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void ledger_command(char *line, char *reply, unsigned long size);

static int serve(int fd)
{
    char line[200], reply[400];
    size_t n = 0;

    do {
        if (n + 1 == sizeof line || read(fd, line + n, 1) != 1)
            return 0;
    } while (line[n++] != '\n');
    line[n - 1] = 0;
    ledger_command(line, reply, sizeof reply - 1);
    n = strlen(reply);
    reply[n++] = '\n';
    return write(fd, reply, n) == (ssize_t)n;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pollfd fds[9] = {{.events = POLLIN}};
    int count = 1, on = 1;

    address.sin_port = htons(argc > 1 ? (unsigned short)atoi(argv[1]) : 7000);
    fds[0].fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fds[0].fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fds[0].fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fds[0].fd, 8) < 0) {
        perror("ledger");
        return 1;
    }
    for (;;) {
        if (poll(fds, (nfds_t)count, -1) < 0)
            continue;
        if (fds[0].revents && count < 9) {
            fds[count].fd = accept(fds[0].fd, NULL, NULL);
            fds[count].revents = 0;
            fds[count++].events = POLLIN;
        }
        for (int i = 1; i < count; i++) {
            if (fds[i].revents && !serve(fds[i].fd)) {
                close(fds[i].fd);
                fds[i--] = fds[--count];
            }
        }
    }
}
