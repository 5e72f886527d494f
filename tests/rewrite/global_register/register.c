register long fixed __asm__("r15");
int called(int);

int use(int x)
{
    long kept = fixed;
    fixed = x;
    int result = called((int)fixed);
    fixed = kept;
    return result;
}
