/* A struct with an open end is not wrapped, but may be laid out anew where nothing is added. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *old_memory(unsigned long);

struct text {
#ifdef OLD
    long gone;
    int length;
#else
    int length;
#endif
    char data[];
};

#ifndef OLD
int main(void)
{
    struct text *t = old_memory(sizeof *t + 8);
    t->length = 3;
    strcpy(t->data, "abc");
    printf("%d %s\n", t->length, t->data);
    return 0;
}
#else
int main(void) { return 0; }
#endif
