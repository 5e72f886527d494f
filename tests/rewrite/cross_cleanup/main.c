/* Functions named in attributes and assembler operands, of other units and of this one. */
//! flags: -D_GNU_SOURCE -fno-pie
//! link: -no-pie
#include <stdio.h>

void close_it(int *);
int used_in_asm(int);

static int local_in_asm(int x)
{
    return x + 5;
}

static int call_by_operand(int x)
{
    int result;
    __asm__ volatile("call %P2" : "=a"(result) : "D"(x), "i"(used_in_asm) : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

static int call_local(int x)
{
    int result;
    __asm__ volatile("call %P2" : "=a"(result) : "D"(x), "i"(local_in_asm) : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

static int call_by_name(int x)
{
    int result;
    __asm__ volatile("call used_in_asm" : "=a"(result) : "D"(x) : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

int main(void)
{
    for (int i = 0; i < 2; i++) {
        int fd __attribute__((__cleanup__(close_it))) = i;
        if (i)
            continue;
        printf("in %d\n", fd);
    }
    printf("%d %d %d\n", call_by_operand(1), call_local(2), call_by_name(3));
    return 0;
}
