/* Functions that are called without having been declared. */
//! flags: -std=gnu89 -w
//! link: -lm
//! indirect: undeclared elsewhere later

int main()
{
    char buffer[40];
    int n = undeclared(1, 2) + elsewhere("abc");
    sprintf(buffer, "%d", n);
    puts(buffer);
    printf("%d %d\n", later(5), strlen(buffer));
    {
        int inner();
        printf("%d\n", inner(2));
    }
    return 0;
}

later(x)
{
    return elsewhere("later") + x;
}

static int used_before_static(void);

int inner(x)
    int x;
{
    return used_before_static() + x;
}

static int used_before_static(void)
{
    return undeclared(1, 1);
}
