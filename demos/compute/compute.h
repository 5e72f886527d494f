/* A program that only computes, in three parts whose units call each other often: Fourier transforms, sorting through a
 * callback, counting words in a hash table. */
#ifndef COMPUTE_H
#define COMPUTE_H

#include <stddef.h>
#include <stdint.h>

struct complex {
    double re, im;
};

struct record {
    char name[16];
    uint32_t number;
};

/* fft.c */
void fft(struct complex *data, size_t n);

/* butterfly.c */
void butterflies(struct complex *low, struct complex *high, size_t half, size_t n);
void butterfly_tables(size_t n);

/* sort.c */
void sort(struct record **items, size_t n, int (*before)(const struct record *, const struct record *));

/* order.c */
int by_name(const struct record *a, const struct record *b);
int by_number(const struct record *a, const struct record *b);

/* words.c */
void words_count(const char *text);
uint64_t words_most(void);

/* hash.c */
uint64_t hash(const char *word, size_t length);

/* digest.c */
extern uint64_t digest;
void digest_add(uint64_t word);

#endif
