int chosen(int);

int use(int x)
{
    int (*pointer)(int) = chosen;
    return chosen(x) + pointer(x);
}
