#include <math.h>
#include <stdlib.h>

#include "compute.h"

static struct complex *roots;
static size_t roots_n;

void butterfly_tables(size_t n)
{
    roots = malloc(n / 2 * sizeof *roots);
    if (!roots)
        abort();
    roots_n = n;
    for (size_t k = 0; k < n / 2; k++)
        roots[k] = (struct complex){cos(-6.283185307179586 * (double)k / (double)n), sin(-6.283185307179586 * (double)k / (double)n)};
}

void butterflies(struct complex *low, struct complex *high, size_t half, size_t n)
{
    size_t step = roots_n / n;

    for (size_t k = 0; k < half; k++) {
        struct complex w = roots[k * step], h = high[k];
        struct complex t = {w.re * h.re - w.im * h.im, w.re * h.im + w.im * h.re};

        high[k] = (struct complex){low[k].re - t.re, low[k].im - t.im};
        low[k] = (struct complex){low[k].re + t.re, low[k].im + t.im};
    }
}
