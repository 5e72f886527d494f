int even(int), odd(int), ackermann(int, int), walk(int, int);

int odd(int n)
{
    return n == 0 ? 0 : even(n - 1);
}

int ackermann(int m, int n)
{
    return m == 0 ? n + 1 : n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

int walk(int depth, int x)
{
    if (depth == 0)
        return x;
    return walk(depth - 1, x * 2) + walk(depth - 1, x * 2 + 1);
}
