#include <stdio.h>
#include <stdlib.h>

static const char *text = "old text";
static int *numbers;
static int old_numbers[2] = {1, 2};

void command(const char *line)
{
#if VERSION == 2
    static int new_numbers[2] = {30, 40};
    text = "new text";
    numbers = new_numbers;
#endif
    if (!numbers)
        numbers = old_numbers;
    numbers[0]++;
    printf("%s: %s %d\n", line, text, numbers[0]);
}
