/* Two objects from one source. */
//! object: one.o: shared.c -DNAME=one -DFACTOR=10
//! object: two.o: shared.c -DNAME=two -DFACTOR=1000
#include "serve.h"

int one(int), two(int);

int main(void)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        printf("%s: %d %d\n", line, one(1), two(1));
    return 0;
}
