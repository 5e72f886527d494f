#include <stddef.h>

int allocations;
static char pool[1 << 20] __attribute__((aligned(16)));
static size_t used;

void *malloc(size_t size)
{
    char *p = pool + used;
    used += (size + 31) & ~(size_t)15;
    *(size_t *)p = size;
    allocations++;
    return p + 16;
}

void free(void *p)
{
    (void)p;
}

void *calloc(size_t count, size_t size)
{
    char *p = malloc(count * size);
    for (size_t i = 0; i < count * size; i++)
        p[i] = 0;
    return p;
}

void *realloc(void *old, size_t size)
{
    char *p = malloc(size), *q = old;
    if (q)
        for (size_t i = 0; i < size && i < *(size_t *)(q - 16); i++)
            p[i] = q[i];
    return p;
}

int strdup_count(void)
{
    return allocations > 0;
}
