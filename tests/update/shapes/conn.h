#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Grows from version to version, in the middle. */
struct conn {
    int id;
#if VERSION >= 2
    int weight;
#endif
    char name[40];
#if VERSION >= 3
    struct { short low, high; } range;
#endif
    struct conn *next;
    long hits;
    double load[2];
};

struct conn *find(int id);
void *fresh(size_t size);
