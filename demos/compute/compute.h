/* A program that only computes: Fourier transforms, sorting through a callback, hashing. Units call each other often, with
 * little work per call: the worst case for calls that go through a slot. */
#ifndef COMPUTE_H
#define COMPUTE_H

#include <stddef.h>
#include <stdint.h>

struct complex {
    double re, im;
};

/* fft.c */
void fft(struct complex *data, size_t n);

/* butterfly.c */
void butterflies(struct complex *low, struct complex *high, size_t half, size_t n);
void butterfly_tables(size_t n);

/* sort.c */
void sort(uint64_t *items, size_t n, int (*before)(uint64_t, uint64_t));

/* order.c */
int by_value(uint64_t a, uint64_t b);
int by_low_bits(uint64_t a, uint64_t b);

/* digest.c */
extern uint64_t digest;
void digest_add(uint64_t word);

#endif
