/* A program that takes no part in unwinding, but loads what does: the shared libgcc, as the C library does for a thread to
 * cancel. It must get through frames of patches, though `libdsu` has another copy of libgcc. */
//! flags: -D_GNU_SOURCE
#include "serve.h"

#include <dlfcn.h>
#include <string.h>

int current(void);
int through(int (*f)(void));

typedef int (*visitor)(void *context, void *count);

static int (*walk)(visitor, void *);

static int count_frame(void *context, void *count)
{
    (void)context;
    ++*(int *)count;
    return 0;
}

/* How many frames there are, down to that of main and what called it. */
static int frames(void)
{
    int count = 0;
    walk(count_frame, &count);
    return count;
}

int main(void)
{
    char line[100];
    int direct, behind;
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (next_line(line, sizeof line) >= 0) {
        if (!strcmp(line, "load")) {
            void *library = dlopen("libgcc_s.so.1", RTLD_NOW);
            if (library)
                walk = dlsym(library, "_Unwind_Backtrace");
            puts(walk ? "loaded" : dlerror());
        } else if (!strcmp(line, "frames")) {
            direct = frames();
            behind = through(frames);
            /* That of `through`, and no more or less. */
            printf("version %d: %d more\n", current(), behind - direct);
        }
    }
    return 0;
}
