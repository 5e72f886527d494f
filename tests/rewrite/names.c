/* Names of functions that also name other things. */
//! indirect: open_it size
#include <stdio.h>
#include <string.h>

int open_it(int), size(int), type(int), label(int), tag(int), parameter(int), hidden(int);
extern int printf_like(const char *, ...);

struct size { int size; struct { int type; } label; int (*open_it)(int); };
enum type { type_one = 1 };
union open_it { int i; };

#define open_it_macro(x) open_it(x)
#define size(x) (size)((x) + 1)
#define STRING(x) #x
#define PASTE(a, b) a##b

int open_it(int x)
{
    return x + 1;
}

int (size)(int x)
{
    return x + 2;
}

int type(int x)
{
    struct size size = {.size = x, .label.type = 3, .open_it = open_it};
    struct size *pointer = &size;
    return size.size + pointer->label.type + pointer->open_it(1) + (*pointer).open_it(2) + size.open_it(3);
}

int label(int x)
{
    if (x > 3)
        goto label;
    x += 100;
label:
    return x + (tag)(x);
}

int tag(int x)
{
    struct tag { int tag; } tag = {x};
    typedef int label;
    label number = tag.tag;
    return number;
}

int parameter(int open_it)
{
    return open_it * 2;
}

int hidden(int x)
{
    int open_it = x, (*label)(int) = tag;
    enum { type = 50 };
    int size = sizeof(struct size) > 1;
    return open_it + label(x) + type + size;
}

int use_parameter(int (*open_it)(int), int hidden)
{
    return open_it(hidden);
}

/* In a prototype only: */
int prototype(int open_it, int (*size)(int type));

int main(void)
{
    union open_it u = {3};
    enum type t = type_one;
    printf("%d %d %d %d %d\n", open_it(1), size(2), type(3), label(4), label(1));
    printf("%d %d %d\n", tag(5), parameter(6), hidden(7));
    printf("%d %d\n", use_parameter(open_it, 8), use_parameter(tag, 9));
    printf("%s %d %d\n", STRING(open_it(1)), PASTE(open, _it)(1), open_it_macro(2));
    printf("open_it(1) \"size\" %d %d\n", u.i, t);
    /* open_it(7); */ // size(8)
    printf("%c%d\n", 'o', (int)strlen("label: goto label;"));
    return 0;
}
