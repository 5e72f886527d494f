typedef int vector __attribute__((vector_size(16)));

int *get_pointer(int i)
{
    static int storage[3];
    return storage + i;
}

__attribute__((target_clones("default", "avx2"))) int clones(int x)
{
    int sum = 0;
    for (int i = 0; i < x; i++)
        sum += i;
    return sum + 1;
}

int vectors(int x)
{
    vector v = {x, x + 1, x + 2, x + 3}, w = v * 2 - (v > 5);
    return w[0] + w[3];
}

int optimised(int x)
{
    return x * 9;
}
