static inline int shared_inline(int x)
{
    static int calls;
    return x * 10 + VERSION + 100 * ++calls;
}

#define LIMIT (VERSION * 5)
int in_other(int), in_third(void), not_affected(void);
