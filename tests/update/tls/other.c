/* The same in all versions. */
__thread int shared = 1000;
static __thread int own = 5;

int bump(void)
{
    return ++shared + ++own;
}
