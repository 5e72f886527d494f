/* What was open becomes opaque in version 2; the others are for refusals. */
union value {
    long number;
#if VERSION == 4
    float real;
#else
    double real;
#endif
#if VERSION == 2
    char letters[8];
#elif VERSION == 5
    char letters[24];
#endif
};

struct box;
#if VERSION == 3
union pair {
#define PAIR union pair
#else
struct pair {
#define PAIR struct pair
#endif
    int first, second;
};

#if VERSION != 2
struct box {
    char name[60];
    int count;
    PAIR pair;
    union value values[3];
};
#endif

struct box *box(const char *name);
#if VERSION == 2
int touch(struct box *b);
const char *letters(struct box *b);
#endif
