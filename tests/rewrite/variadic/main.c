/* Variadic functions: called through slots and pointers, with an update point at their entry. */
//! indirect: total join logged
//! config: [[update-point]]
//! config: function = "logged"
//! config: entry = true
#include <stdarg.h>
#include <stdio.h>

int total(int count, ...);
const char *join(char *to, ...);
void logged(const char *format, ...);
extern int (*pointer)(int, ...);
double mixed(int, ...);

static int local(int n, ...)
{
    va_list list, copy;
    int sum = 0;
    va_start(list, n);
    va_copy(copy, list);
    while (n--)
        sum += va_arg(list, int) * va_arg(copy, int);
    va_end(copy);
    va_end(list);
    return sum;
}

void logged(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
}

int main(void)
{
    char buffer[100];
    printf("%d\n", total(4, 1, 2, 3, 4));
    puts(join(buffer, "a", "bc", "def", (char *)0));
    logged("%s %d %.1f\n", "x", 5, 2.5);
    printf("%d %d\n", local(3, 1, 2, 3), pointer(2, 7, 8));
    printf("%.2f\n", mixed(3, 'i', 4, 'd', 2.5, 'l', 10L));
    return 0;
}
