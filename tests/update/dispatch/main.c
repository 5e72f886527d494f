//! plain: library.c
/* A function with an update point that is called in one of many ways, told by WAY; whoever calls it uses a struct afterwards. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "serve.h"
#include "serve.h"

struct session {
    long a[8];
    int count;
#if VERSION < 2
    int limit;
#else
    long limit;
#endif
};

static struct session *session;
static char line[200];

static int serve(struct session *s)
{
    if (next_line(line, sizeof line) < 0)
        return 1;
    s->count++;
    printf("%s: version %d\n", line, VERSION);
    return 0;
}

#if WAY == 1 /* converted */
typedef int (*handler)(void *);
static handler hooks[] = {(handler)serve};
static int call(void *s) { return hooks[0](s); }
#elif WAY == 2 /* another name */
int serve_again(struct session *s) __attribute__((alias("serve")));
static int call(void *s) { return serve_again(s); }
#elif WAY == 3 /* handed on by a function of the program */
static int compare(const void *s, const void *element) { (void)element; return serve((void *)s); }
static int search(const void *s, int (*with)(const void *, const void *)) { return bsearch(s, "x", 1, 1, with) == NULL; }
static int call(void *s) { return search(s, compare); }
#elif WAY == 4 /* a pointer to anything, in a union */
static union { void *data; int (*handle)(struct session *); } hook;
static int call(void *s) { hook.data = (void *)serve; return hook.handle(s); }
#elif WAY == 5 /* copied as bytes */
static int call(void *s)
{
    int (*f)(void *);
    void *p = (void *)serve;
    memcpy(&f, &p, sizeof f);
    return f(s);
}
#elif WAY == 6 /* the end of a scope */
static int ended;
static void done(struct session **s) { ended = serve(*s); }
static int call(void *s)
{
    { __attribute__((cleanup(done))) struct session *own = s; }
    return ended;
}
#elif WAY == 7 /* a unit that is not rewritten, by name */
int callback(void *s) { return serve(s); }
static int call(void *s) { return by_name(s); }
#elif WAY == 8 /* a library that found it in a struct, in an earlier call */
static int callback(void *s) { return serve(s); }
static struct library library = {callback};
static int call(void *s) { library_begin(&library); return library_call(s); }
#elif WAY == 9 /* a choice */
static int (*hook)(struct session *);
static int call(void *s) { return (hook ?: serve)(s); }
#elif WAY == 10 /* a library that was given it before, and later by its name */
static int callback(void *s) { return serve(s); }
static struct library library = {callback};
static __attribute__((constructor)) void begin(void) { library_begin(&library); }
#define call(s) library_call(s)
#elif WAY == 11 /* a function of the C library that is given a variable, and later by its name */
static int compare(const void *s, const void *element) { (void)element; return serve((void *)s); }
static int (*with)(const void *, const void *) = compare;
#define call(s) (bsearch(s, "x", 1, 1, with) == NULL)
#endif

/* Its old version goes on. */
static __attribute__((noinline)) int caller(void)
{
    int done = call(session);
    printf("limit %ld\n", (long)session->limit);
#if WAY >= 10
    if (!done)
        done = serve(session);
#endif
    return done;
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    session = calloc(1, sizeof *session);
    session->limit = 10;
    while (!caller())
        ;
    return 0;
}
