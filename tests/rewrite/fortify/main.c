/* Library functions that are inline functions of system headers under _FORTIFY_SOURCE, quiescent ones among them. */
//! flags: -D_FORTIFY_SOURCE=2 -D_FILE_OFFSET_BITS=64
//! variant: -O2
//! variant: -O1 -g -fstack-protector-strong
//! stdin: hello\nworld\n
//! config: [[update-point]]
//! config: function = "main"
//! config: quiescent = ["read", "poll"]
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int copy(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
    return snprintf(to, 20, "<%s>", from);
}

int main(void)
{
    char buffer[8], text[40];
    struct pollfd fd = {0, POLLIN, 0};
    long n;
    while (poll(&fd, 1, 1000) == 1 && (n = read(0, buffer, sizeof buffer - 1)) > 0) {
        buffer[n] = 0;
        buffer[strcspn(buffer, "\n")] = 0;
        printf("%d %s\n", copy(text, buffer), text);
    }
    return 0;
}
