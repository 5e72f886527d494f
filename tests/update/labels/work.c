/* A table of label addresses belongs to the code of one version. */
#include <stdio.h>

void command(const char *line)
{
    static const void *const labels[] = {&&zero, &&one};
#if VERSION == 2
    char copy[500];
    snprintf(copy, sizeof copy, "two %s", line);
#else
    const char *copy = line;
#endif
    goto *labels[line[0] == '1'];
zero:
    printf("zero %s\n", copy);
    return;
one:
    printf("one %s\n", copy);
}
