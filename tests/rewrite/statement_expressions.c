/* Statement expressions, with calls, declarations and quiescent calls in them. */
//! direct: smaller
//! stdin: hello\nworld\n
//! config: [[update-point]]
//! config: function = "main"
//! config: loop = 1
//! config: quiescent = ["get"]
#include <stdio.h>
#include <unistd.h>

#define MAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define RETRY(call) \
    ({ \
        long result_; \
        do \
            result_ = (long)(call); \
        while (result_ == -1); \
        result_; \
    })

static int smaller(int x)
{
    return ({ x; });
}

static int small(int x)
{
    return smaller(x) + 1;
}

int get(char *to, int size)
{
    long n = RETRY(read(0, to, 1));
    return n > 0 && size > 0 ? n : ({ 0; });
}

int other(int);

int main(void)
{
    char c;
    int sum = 0;
    while (({ int n = get(&c, 1); MAX(n, 0); }) > 0)
        sum += ({ extern int other(int); other(c); });
    printf("%d %d\n", sum, MAX(small(3), ({ int inner(int); other(1); })));
    return ({ 0; });
}

int other(int x)
{
    return ({ goto out; out: x * 2; });
}
