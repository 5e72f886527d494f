int data = 10;
extern int data_alias __attribute__((alias("data")));

int real_name(int x)
{
    return x + data;
}

int other_name(int x) __attribute__((alias("real_name")));
int weak_name(int x) __attribute__((weak, alias("real_name")));

static int hidden_static(int x)
{
    return x + 1000;
}

int of_static(int x) __attribute__((alias("hidden_static")));

int assembler_name(int x)
{
    return x * 2;
}
