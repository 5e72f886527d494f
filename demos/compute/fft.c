/* Decimation in time, recursive, in place after a permutation (Cooley and Tukey 1965). */
#include "compute.h"

static void permute(struct complex *data, size_t n)
{
    for (size_t i = 1, j = 0; i < n; i++) {
        size_t bit = n >> 1;

        for (; j & bit; bit >>= 1)
            j ^= bit;
        j |= bit;
        if (i < j) {
            struct complex t = data[i];
            data[i] = data[j];
            data[j] = t;
        }
    }
}

static void stage(struct complex *data, size_t n)
{
    if (n > 2) {
        stage(data, n / 2);
        stage(data + n / 2, n / 2);
    }
    butterflies(data, data + n / 2, n / 2, n);
}

void fft(struct complex *data, size_t n)
{
    permute(data, n);
    stage(data, n);
}
