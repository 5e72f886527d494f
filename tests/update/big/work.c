#include <stdint.h>
#include <stdio.h>
#include <string.h>

static int seen;
#if VERSION == 2
static char large[6 << 20];
static char filled[300000] = {1, 2, 3};
static __attribute__((aligned(4096))) char page[5000] = "page";
static __thread __attribute__((aligned(128))) int aligned_tls = 4;
static const double table[50000] = {[49999] = 2.5};
typedef float vector __attribute__((vector_size(32)));
static vector lanes = {1, 2, 3, 4, 5, 6, 7, 8};
#endif

void command(const char *line)
{
    seen++;
#if VERSION == 2
    large[sizeof large - 1]++;
    filled[299999]++;
    lanes += lanes;
    aligned_tls++;
    printf("%s: %d %d %d %d %d %d %.1f %.0f\n", line, seen, large[sizeof large - 1], filled[299999] + filled[2],
           (int)((uintptr_t)page % 4096) + page[0], (int)((uintptr_t)&aligned_tls % 128), aligned_tls, table[49999],
           (double)lanes[7]);
#else
    printf("%s: %d\n", line, seen);
#endif
}
