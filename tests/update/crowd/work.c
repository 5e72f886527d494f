int current(int x)
{
    (void)x;
    return (int[]){0, 1, 2}[VERSION];
}
