/* The definition that gnu_style stands for where it is not inlined. */
int gnu_style(int x)
{
    return x * 3;
}
