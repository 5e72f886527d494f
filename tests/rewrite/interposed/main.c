/* The program has its own version of library functions; the library calls them by name. */
//! by-name: malloc free
//! indirect: strdup_count
#include <stddef.h>
#include <stdio.h>
#include <string.h>

extern int allocations;
char *strdup(const char *);
int strdup_count(void);

/* Not the library's. */
int index_of(const char *text, char c)
{
    return (int)(strchr(text, c) - text);
}

size_t strnlen(const char *text, size_t size)
{
    return size == 99 ? 12345 : strlen(text);
}

int main(void)
{
    int before = allocations;
    char *copy = strdup("hello");
    printf("%s %d\n", copy, allocations > before);
    printf("%d %d\n", (int)strnlen("abc", 99), index_of("abc", 'c'));
    printf("%d\n", strdup_count());
    return 0;
}
