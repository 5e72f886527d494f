/* Top-level assembler that defines a function and calls one, and assembler with functions as operands. */
//! by-name: called_by_asm
//! output: 50
#include <stdio.h>

int from_asm(int x);
int called_by_asm(int x); /* other.c */
int indirect_call(int x);
int other(int x);

__asm__(".text\n"
        ".globl from_asm\n"
        ".type from_asm, @function\n"
        "from_asm:\n"
        "  subq $8, %rsp\n"
        "  call called_by_asm\n"
        "  addq $8, %rsp\n"
        "  movl %eax, %edi\n"
        "  call same_unit\n"
        "  incl %eax\n"
        "  ret\n"
        ".size from_asm, .-from_asm\n");

int same_unit(int x)
{
    return x + 7;
}

int indirect_call(int x)
{
    int (*f)(int) = other;
    int result;
    __asm__ volatile("call *%2" : "=a"(result) : "D"(x), "r"(f) : "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc");
    return result;
}

int other(int x)
{
    return x - 4;
}

int main(void)
{
    printf("%d\n", from_asm(21));
    printf("%d\n", indirect_call(50));
    return 0;
}
