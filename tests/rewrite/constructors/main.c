/* Constructors and destructors, with priorities, in two units. */
//! output: constructed 101
#include <stdio.h>
#include <stdlib.h>

void note(const char *what, int n);
extern int constructed;

static void __attribute__((constructor)) start(void)
{
    note("constructed default in main.c", 0);
}

__attribute__((constructor(102))) static void later(void)
{
    note("constructed", 102);
}

static void __attribute__((destructor)) end(void)
{
    note("destroyed", constructed);
}

static void exiting(void)
{
    note("exiting", 1);
}

int main(void)
{
    atexit(exiting);
    note("main", constructed);
    return 0;
}
