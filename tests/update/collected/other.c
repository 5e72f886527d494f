/* The same in both versions; in the first, the linker removes half of it. */
int unused_data = 7;
static int calls;

int used(int x)
{
    return x + ++calls;
}

int unused(int x)
{
    return x + 100 + ++calls;
}
