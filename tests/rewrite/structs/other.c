#include "structs.h"

struct large grow(struct large l, double d)
{
    l.numbers[0] += d;
    return l;
}

struct two small(struct two t)
{
    return (struct two){t.y, t.x + t.y};
}

struct mix mixed(struct mix m)
{
    m.i += (int)(m.f * 2);
    return m;
}

long double extended(long double x)
{
    return x * 2;
}

double _Complex turn(double _Complex x)
{
    return x * 1.0i;
}

wide widen(unsigned long long x)
{
    return (wide)x * 4;
}

vector add(vector a, vector b)
{
    return a + b;
}

int ten(int a, int b, int c, int d, int e, int f, int g, int h, int i, int j)
{
    return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j;
}

double floats(double a, float b, double c, double d, double e, double f, double g, double h, double i)
{
    return a - b + c - d + e - f + g - h + i;
}

_Bool flag(int x)
{
    return x;
}

char character(int x)
{
    return x;
}
