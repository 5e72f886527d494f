typedef int vector __attribute__((vector_size(16)));
int called(int);
int shuffle(int x)
{
    vector v = {x, 2, 3, 4}, mask = {3, 2, 1, 0};
    v = __builtin_shuffle(v, mask);
    return v[3] + called(x);
}
