/* Built in two versions: the patch between them has something in each of its tables. */
#include "sample.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

int counter;
static struct point origin = {1, 2};

struct session {
    int id;
    char name[32];
    long total;
#if VERSION == 2
    int visits;
#endif
};
static struct session sessions[3];

static const char *const names[] = {"one", "two", "three"};
__thread int per_thread = 5;

#if VERSION == 2
struct fresh {
    int a;
    char text[16];
};
static struct fresh fresh = {7, "seven"};
static __thread long added_per_thread = 11;
int added;

static int extra(int n)
{
    static int calls;

    fresh.a += n;
    added_per_thread++;
    return ++calls + added++ + fresh.text[n & 7];
}
#endif

static int step(int n)
{
    counter += n;
    per_thread++;
    sessions[n % 3].total += n;
#if VERSION == 2
    sessions[n % 3].visits++;
    n += extra(n);
#endif
    return scale(n, &origin) + (int)strlen(names[n % 3]) + (int)limits[n % 4];
}

int (*hook)(int) = step;

int main(void)
{
    struct pollfd none[1];

    for (;;) {
        if (poll(none, 0, 1000) < 0)
            return 1;
        printf("%d\n", hook(counter));
    }
}
