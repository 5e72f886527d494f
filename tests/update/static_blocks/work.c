#include <stdio.h>

/* Several static variables of one name without initial values: only their blocks tell them apart. */
void command(const char *line)
{
    printf("%s:", line);
#if VERSION >= 2
    {
        static int uses;
        printf(" first %d", ++uses);
    }
#endif
    {
        static int uses;
        printf(" second %d", ++uses);
    }
#if VERSION == 3
    {
        static int uses;
        printf(" third %d", ++uses);
    }
#endif
    {
        static int uses;
        uses += 10;
        printf(" fourth %d", uses);
    }
    printf("\n");
}
