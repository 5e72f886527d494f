int other_unit(int x)
{
    __asm__ volatile("");
    return x + 1;
}
