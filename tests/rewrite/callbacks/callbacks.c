#include "callbacks.h"

#include <pthread.h>
#include <stdio.h>

static int result = 77;

void on_end(void *value)
{
    printf("thread data %d\n", *(int *)value);
}

void on_tree(void *node)
{
    (void)node;
}

void *body(void *argument)
{
    pthread_setspecific(*(pthread_key_t *)argument, &result);
    return &result;
}

void visit(const void *node, VISIT order, int depth)
{
    if (order == postorder || order == leaf)
        printf("%d ", **(int *const *)node);
    if (depth == 0 && order == endorder)
        puts("");
}
