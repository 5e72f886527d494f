/* Thread-local variables of a model that only executables can have. */
#include <stdio.h>

static __thread int mine __attribute__((tls_model("initial-exec"))) = 3;
extern __thread int other __attribute__((tls_model("initial-exec")));
#if VERSION == 2
static __thread int added __attribute__((tls_model("local-exec"))) = 7;
#endif

void command(const char *line)
{
    int extra = 0;
#if VERSION == 2
    extra = added++;
#endif
    printf("%s: %d %d %d\n", line, ++mine, ++other, extra);
}
