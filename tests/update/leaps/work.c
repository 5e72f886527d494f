/* A function that frees unless it is left by a jump: then the object lives, and so does what is beside it. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

struct session {
    long id;
#if VERSION == 2
    long hits[8];
#endif
    char name[64];
};

static jmp_buf out;

static void may_leap(const void *p)
{
    static int calls;
    if (p && !calls++)
        longjmp(out, 1);
}

static void discard(void *p)
{
    may_leap(p);
    free(p);
}

void command(const char *line)
{
    static struct session *kept;
    (void)line;
    if (!kept) {
        kept = calloc(1, sizeof *kept);
        kept->id = 5;
#if VERSION == 2
        kept->hits[7] = 5;
#endif
        if (!setjmp(out)) {
            discard(kept);
            puts("freed");
        } else {
#if VERSION == 2
            printf("kept %ld\n", kept->hits[7]);
#else
            puts("kept");
#endif
        }
        return;
    }
    discard(kept);
    kept = NULL;
    puts("freed at last");
}
