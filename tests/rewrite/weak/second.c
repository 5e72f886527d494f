/* Two weak definitions: the first in link order counts. */
__attribute__((weak)) int twice(int x)
{
    return x * 2000;
}

__attribute__((weak)) int remains(int x)
{
    return x + 5000;
}
