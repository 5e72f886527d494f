int called_by_asm(int x)
{
    return x * 2;
}
