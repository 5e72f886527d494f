/* Aliases: in the same unit, weak ones, of static functions, of variables; assembler names. */
//! indirect: real_name
#include <stdio.h>

int real_name(int x);
int other_name(int x);
int weak_name(int x);
int of_static(int x);
extern int data_alias;
int renamed(int x) __asm__("assembler_name");
int renamed_definition(int x) __asm__("defined_by_another_name");

int main(void)
{
    int (*a)(int) = real_name, (*b)(int) = other_name;
    printf("%d %d %d %d\n", real_name(1), other_name(2), weak_name(3), of_static(4));
    data_alias = 17;
    printf("%d\n", a(1) == b(1));
    printf("%d %d\n", renamed(5), renamed_definition(6));
    printf("%d\n", real_name(0));
    return 0;
}

int renamed_definition(int x)
{
    return x * 3;
}
