/* The next standard's attributes and such. */
//! flags: -std=gnu2x
#include <stdio.h>

[[nodiscard]] int first(int x);
[[gnu::noinline]] static int second(int x);
[[deprecated("no")]] int third(int);
int fourth [[gnu::noinline]] (int x);

enum [[nodiscard]] kind { A, B [[maybe_unused]] };

int first(int x)
{
    [[maybe_unused]] int y = 1'000;
    switch (x) {
    case 1:
        x++;
        [[fallthrough]];
    default:
        return second(x) + y;
    }
}

[[gnu::noinline]] static int second(int) ;

static int second([[maybe_unused]] int x)
{
    return x * 2;
}

int third(int x)
{
    return x;
}

int fourth(int x)
{
    return x + 0b11;
}

int main()
{
    int (*p)(int) = fourth;
    _Static_assert(sizeof(int) == 4);
    printf("%d %d\n", first(1), p(2));
    return 0;
}
