/* Addresses of tables that take a detour: an odd version and the even one after it are a pair. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAIR ((VERSION + 1) / 2)
#define NEW (VERSION % 2 == 0)

#if NEW && PAIR != 2 && PAIR != 3
#define MORE , 4, 5
#else
#define MORE
#endif

#if PAIR == 4
static int table[] = {1, 2, 3 MORE};
#else
static const int table[] = {1, 2, 3 MORE};
#endif
#define COUNT (sizeof table / sizeof *table)

#if NEW
static char text[] = "name=new";
#else
static char text[] = "name=old";
#endif

#if PAIR == 1
static const int *kept;
#endif
#if PAIR == 3
static void cut(const char *s)
{
    char *at = strchr(s, '=');
    if (at)
        *at = '!';
}
#elif PAIR == 4
static long number;
#elif PAIR == 5
static pthread_key_t key;
#endif

void command(const char *line)
{
    int sum = 0;
#if PAIR == 1
    /* Through an automatic variable that points to constant memory. */
    const int *p = table;
    if (!strcmp(line, "start"))
        kept = p;
#elif PAIR == 2
    const char *p = text;
    if (!strcmp(line, "start"))
        *strchr(p, '=') = '!';
#elif PAIR == 3
    if (!strcmp(line, "start"))
        cut(text);
#elif PAIR == 4
    /* Through a number. */
    if (!strcmp(line, "start"))
        number = (long)table;
#elif PAIR == 5
    /* Through the C library. */
    if (!strcmp(line, "start")) {
        pthread_key_create(&key, 0);
        pthread_setspecific(key, table);
    }
#endif
    for (unsigned i = 0; i < COUNT; i++)
        sum += table[i];
    printf("%d ", sum);
    /* One by one: printf might write to what it gets. */
    for (int i = 0; text[i]; i++)
        putchar(text[i]);
    printf(" %d\n", NEW);
}
