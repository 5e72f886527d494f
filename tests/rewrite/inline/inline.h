#ifndef INLINE_H
#define INLINE_H

int other(int x);
int external_user(int x);
int plain_c99(int x);
int (*pointer_here(void))(int);
int (*pointer_there(void))(int);

/* Declared here, and nowhere defined or used. */
int nowhere_defined(int, char *);
extern inline int never_defined_inline(int);

static inline int header_static(int x)
{
    return x + 1000;
}

/* The external definition is in main.c. */
inline int emitted_here(int x)
{
    return other(x) + 1;
}

/* GNU semantics: never emitted, the definition is in other.c. */
extern inline __attribute__((gnu_inline)) int gnu_style(int x)
{
    return x * 3;
}

static inline __attribute__((always_inline)) int always(int x)
{
    return other(x) - 1;
}

/* Each unit has its own. */
static inline int counter(void)
{
    static int count;
    return ++count;
}

#endif
