/* Assembler sources, plain and preprocessed, beside C; they call C functions by name and are called. */
//! by-name: c_function second
#include <stdio.h>

int asm_add(int, int);
int asm_twice(int);
int c_function(int);

int c_function(int x)
{
    return x + 1000;
}

int main(void)
{
    printf("%d %d\n", asm_add(1, 2), asm_twice(4));
    return 0;
}
