/* Update points at the entry of functions with results and parameters of all kinds. */
//! flags: -w
//! config: [[update-point]]
//! config: function = "returns_struct"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "returns_pointer_to_function"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "returns_array_pointer"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "old_style"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "unnamed_parameter"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "no_parameters"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "empty_parameters"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "nothing"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "callback"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "never_back"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "arrays"
//! config: entry = true
//! config: [[update-point]]
//! config: function = "helper"
//! config: entry = true
#include <stdio.h>
#include <stdlib.h>

struct big { double values[10]; char c; };

struct big returns_struct(struct big b, int i)
{
    b.values[i] *= 2;
    return b;
}

static int twice(int x)
{
    return x * 2;
}

int (*returns_pointer_to_function(int which))(int)
{
    return which ? twice : NULL;
}

static int table[3][4] = {[1] = {1, 2, 3, 4}};

int (*returns_array_pointer(int row))[4]
{
    return &table[row];
}

int old_style(a, b)
    char a;
    float b;
{
    return a + (int)b;
}

int unnamed_parameter(int x, int)
{
    return x;
}

int no_parameters(void) { return 5; }

int empty_parameters() { return 6; }

void nothing(int *p)
{
    if (!p)
        return;
    ++*p;
}

static int callback(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

_Noreturn void never_back(int code)
{
    printf("code %d\n", code);
    exit(code);
}

int arrays(int n, int matrix[static 2][n], const char text[restrict], void f(int *))
{
    f(&matrix[1][0]);
    return matrix[1][0] + text[0];
}

static inline __attribute__((always_inline)) int helper(register int x)
{
    return x + 1;
}

int main(void)
{
    struct big b = {{1, 2, 3}, 'c'};
    int x = 1, matrix[2][2] = {{1, 2}, {3, 4}};
    char text[] = "hello";
    b = returns_struct(b, 2);
    printf("%.0f %c\n", b.values[2], b.c);
    printf("%d %d\n", returns_pointer_to_function(1)(4), (*returns_array_pointer(1))[2]);
    printf("%d %d %d %d\n", old_style('a', 2.5), unnamed_parameter(3, 4), no_parameters(), empty_parameters());
    nothing(&x);
    nothing(NULL);
    qsort(text, 5, 1, callback);
    printf("%d %s %d %d\n", x, text, arrays(2, matrix, text, nothing), helper(3));
    never_back(0);
}
