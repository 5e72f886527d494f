/* FNV-1a (Fowler, Noll, Vo). */
#include "compute.h"

uint64_t hash(const char *word, size_t length)
{
    uint64_t h = 0xcbf29ce484222325u;

    while (length--)
        h = (h ^ (unsigned char)*word++) * 0x100000001b3u;
    return h;
}
