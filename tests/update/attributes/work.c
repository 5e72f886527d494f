/* Layouts that attributes, pragmas and alignment specifiers decide on. */
#include <stdio.h>

#if defined(PACKED)
#define BEHIND __attribute__((packed))
#elif defined(ALIGNED)
#define BEHIND __attribute__((aligned(64)))
#elif defined(HARMLESS)
#define BEHIND __attribute__((aligned(4)))
#else
#define BEHIND
#endif
#ifdef MEMBER
#define AT_MEMBER _Alignas(16)
#else
#define AT_MEMBER
#endif

#ifdef PRAGMA
#pragma pack(1)
#endif
struct pair {
    char c;
    AT_MEMBER int i;
} BEHIND;
typedef struct {
    char c;
    long l;
} BEHIND named;
union either {
    char c;
    AT_MEMBER int i;
} BEHIND;
#ifdef PRAGMA
#pragma pack()
#endif

struct pair pair = {1, 2};
named other = {3, 4};
union either either = {5};

void command(const char *line)
{
    pair.i++;
    other.l++;
    either.c++;
    printf("%d: %s %d %ld %d\n", VERSION, line, pair.i, other.l, either.c);
}
