/* WAY: how a variable asks for more alignment than before. */
#include <stdio.h>
#include <stdint.h>

typedef char page[3] __attribute__((aligned(256)));

#if VERSION == 1
#define WAS(text)
#else
#define WAS(text) text
#endif

static char pad = 1;
#if WAY == 1
char buffer[3] WAS(__attribute__((aligned(128))));
#elif WAY == 2
static WAS(_Alignas(64)) char buffer[3];
#elif WAY == 3 && VERSION == 2
page buffer;
#elif WAY == 4
extern char buffer[3] WAS(__attribute__((__aligned__(16))));
char buffer[3];
#elif WAY == 5
char buffer[3] __attribute__((aligned(64)));
#elif WAY == 6
char buffer[3] __attribute__((aligned(sizeof(long) << VERSION)));
#else
char buffer[3];
#endif

/* Less than the type would have. */
typedef __int128 low __attribute__((aligned(4)));
#if WAY == 8 && VERSION == 2
static __int128 number, copy;
#elif WAY == 8 || WAY == 9
static low number, copy;
#endif

void command(const char *line)
{
    buffer[0] = *line;
#if WAY >= 8
    copy = number;
    number ^= *line;
#endif
    printf("%d %c %d\n", VERSION, buffer[0], (int)((uintptr_t)buffer % (WAY == 5 ? 64 : 1)) * pad);
}
