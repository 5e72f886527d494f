/* Update points in loops of all shapes, with quiescent calls in all places. */
//! link: -pthread
//! stdin: abcdefghijklmnopqrstuvwxyz
//! config: [[update-point]]
//! config: function = "while_head"
//! config: quiescent = ["get"]
//! config: [[update-point]]
//! config: function = "for_head"
//! config: loop = 1
//! config: quiescent = ["get", "wait_some"]
//! config: [[update-point]]
//! config: function = "do_loop"
//! config: loop = 1
//! config: quiescent = ["get"]
//! config: [[update-point]]
//! config: function = "no_braces"
//! config: loop = 1
//! config: [[update-point]]
//! config: name = "second"
//! config: function = "nested_loops"
//! config: loop = 2
//! config: quiescent = ["read", "get"]
//! config: [[update-point]]
//! config: function = "if_body"
//! config: [[update-point]]
//! config: function = "with_switch"
//! config: [[update-point]]
//! config: function = "commas"
//! config: quiescent = ["get", "wait_some"]
//! config: [[update-point]]
//! config: function = "void_result"
//! config: quiescent = ["wait_some"]
//! config: [[update-point]]
//! config: function = "returns"
//! config: quiescent = ["read"]
//! config: [[update-point]]
//! config: function = "struct_result"
//! config: quiescent = ["get_pair", "get_text"]
#include "loops.h"

#include <stdio.h>
#include <unistd.h>

static void while_head(void)
{
    int c, n = 0;
    while ((c = get()) != 'c' && n < 10)
        n++;
    printf("while %d %c\n", n, c);
}

static void for_head(void)
{
    int c;
    for (c = get(), wait_some(0); c < 'g'; c = get())
        printf("for %c\n", c);
}

static void do_loop(void)
{
    int c;
    do
        c = get();
    while (c < 'i');
    printf("do %c\n", c);
    do printf("again %c\n", c); while (get() < 'j');
}

static void no_braces(void)
{
    int i = 0;
    for (;;)
        if (i < 3) i++; else break;
    printf("no braces %d\n", i);
    while (i > 0)
        for (; i > 0;)
            i--;
    while (i++ < 5);
    printf("no braces %d\n", i);
}

static void nested_loops(void)
{
    char c = 0;
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 2; j++) {
            if (read(0, &c, 1) != 1 || get() < 0)
                return;
            printf("nested %d %d %c\n", i, j, c);
        }
}

static int if_body(int n)
{
    while (1)
        if (n > 5) {
            return n;
        } else if (n > 3)
            n += 2;
        else
            n++;
}

static int with_switch(int n)
{
    for (;;)
        switch (n) {
        case 0: return 10;
        case 1: n = 0; continue;
        default: n--;
        }
}

static void commas(void)
{
    int a, b, rounds = 0;
    while (a = get(), b = (wait_some(0), get()), a < 'w')
        rounds++;
    printf("commas %c %c %d\n", a, b, rounds);
}

static void void_result(void)
{
    int i = 0;
    while (1) {
        wait_some(0);
        if (i++ > 2) { wait_some(1); break; } else wait_some(0);
    }
    printf("void %d\n", i);
}

static long returns(void)
{
    for (;;) {
        char c[2];
        return read(0, c, 2) + 0;
    }
}

static void struct_result(void)
{
    for (int i = 0; i < 2; i++)
        printf("struct %d %s\n", get_pair(i).second, get_text(i)[0]);
}

int main(void)
{
    while_head();
    for_head();
    do_loop();
    no_braces();
    nested_loops();
    printf("%d %d\n", if_body(0), with_switch(4));
    commas();
    void_result();
    printf("%ld\n", returns());
    struct_result();
    return 0;
}
