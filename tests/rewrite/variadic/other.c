#include <stdarg.h>
#include <string.h>

int total(int count, ...)
{
    va_list list;
    int sum = 0;
    va_start(list, count);
    while (count-- > 0)
        sum += va_arg(list, int);
    va_end(list);
    return sum;
}

const char *join(char *to, ...)
{
    va_list list;
    const char *part;
    *to = 0;
    va_start(list, to);
    while ((part = va_arg(list, const char *)))
        strcat(to, part);
    va_end(list);
    return to;
}

double mixed(int n, ...)
{
    va_list list;
    double sum = 0;
    va_start(list, n);
    while (n--)
        switch (va_arg(list, int)) {
        case 'i': sum += va_arg(list, int); break;
        case 'd': sum += va_arg(list, double); break;
        case 'l': sum += va_arg(list, long); break;
        }
    va_end(list);
    return sum;
}

int (*pointer)(int, ...) = total;
