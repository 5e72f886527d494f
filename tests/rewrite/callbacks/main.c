/* Functions given to libraries. */
//! link: -pthread
//! stub: compare at_end once_only body visit on_end walker
//! flags: -D_GNU_SOURCE
#include <ftw.h>
#include <pthread.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>

#include "callbacks.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void at_end(void)
{
    puts("at end");
}

static void once_only(void)
{
    puts("once");
    pthread_key_create(&key, on_end);
}

static int walker(const char *path, const struct stat *status, int type)
{
    (void)status;
    return type == FTW_D && path[0] == '/' ? 7 : 0;
}

int main(void)
{
    int numbers[] = {5, 3, 9, 1}, wanted = 9;
    pthread_t thread;
    void *root = NULL, *result;
    atexit(at_end);
    atexit(&at_end);
    qsort(numbers, 4, sizeof *numbers, compare);
    int *found = bsearch(&wanted, numbers, 4, sizeof *numbers, &compare);
    printf("%d %d %d\n", numbers[0], numbers[3], (int)(found - numbers));
    pthread_once(&once, once_only);
    pthread_once(&once, once_only);
    pthread_create(&thread, NULL, body, &key);
    pthread_join(thread, &result);
    printf("%d\n", *(int *)result);
    for (int i = 0; i < 4; i++)
        tsearch(&numbers[i], &root, compare);
    twalk(root, visit);
    tdestroy(root, on_tree);
    printf("%d\n", ftw("/", walker, 3));
    return 0;
}
