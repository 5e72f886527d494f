/* Update points by annotation, by loop and by entry, in one program. */
#include "serve.h"

#include <dsu.h>
#include <string.h>

int current(void);
int on_event(int x);
void by_loop(void);

static int (*volatile callback)(int) = on_event;

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    for (;;) {
        if (next_line(line, sizeof line) < 0)
            break;
        if (!strcmp(line, "loop"))
            by_loop();
        else if (!strcmp(line, "event"))
            printf("event %d\n", callback(5));
        else if (!strcmp(line, "annotation")) {
            for (;;) {
                DSU_UPDATE_POINT("annotated");
                printf("annotation %d\n", current());
                if (next_line(line, sizeof line) < 0)
                    break;
            }
        }
    }
    return 0;
}
