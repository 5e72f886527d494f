/* Declarations inside blocks, after which names go out of scope or hide others. */
//! indirect: later inner
#include <stdio.h>

static int value = 1;

static int use_before_definition(int x)
{
    extern int later(int);
    int (*pointer)(int) = later;
    return later(x) + pointer(x);
}

int scopes(int x)
{
    int result = 0;
    {
        int later(int), inner(int);
        extern int data;
        result += later(x) + inner(x) + data;
    }
    {
        int later = 5;
        result += later;
        {
            extern int later(int);
            result += later(x);
        }
    }
    if (x) {
        extern int data;
        data++;
        for (int inner = 0; inner < 2; inner++)
            result += inner;
    }
    {
        int value = 10;
        result += value;
        {
            extern int data, other_data;
            result += data + other_data;
        }
    }
    return result + value;
}

int data = 100, other_data = 1000;

int later(int x)
{
    return x * 2;
}

int inner(int x)
{
    extern int later(int);
    return later(x) + 1;
}

int main(void)
{
    int use(int (*)(int), int);
    printf("%d %d\n", use_before_definition(3), scopes(4));
    printf("%d\n", use(inner, 5));
    return 0;
}

int use(int f(int), int x)
{
    return f(x);
}
