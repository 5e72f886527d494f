int used_data = 5, unused_data = 6;
static int table[100] = {1, 2, 3};

int used(int x)
{
    return x + table[1];
}

/* Would not link if it were not removed. */
int missing(int);
int unused(int x)
{
    return missing(x) + unused_data;
}
