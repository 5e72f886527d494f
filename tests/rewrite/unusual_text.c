/* Text that is hard to take apart: digraphs, trigraphs, continued lines, odd identifiers, long strings. */
//! flags: -std=gnu11 -trigraphs
#include <stdio.h>

int na\
me(int x);
int $dollar(int x);
int café(int x);
int größe(int x);

static const char *text = "a string with \"quotes\", name(1), and \
a continued line ??/
and another";

%:define HASH 3
int array<:HASH:> = <%1, 2, HASH%>;

int name(int x) <% return x + 1; %>
int $dollar(int x) ??< return x * 2; ??>
int café(int x) { return x ??! 8; }
int größe(int x) { return x - 1; } /* comment */ static int same_line(void) { return '}' + '"' + '\''; } // int name(
static char brace = '{', *more = "}" "{" u8"}";
int
split
(
    int
    x
)
{
    return /* { */ name( // }
        x
    );
}

int main(void)
{
    printf("%s\n", text);
    printf("%d %d %d %d\n", name(1), $dollar(2), café(3), größe(4));
    printf("%d %d %c %s\n", same_line(), split(5), brace, more);
    printf("%d\n", array[2] + L'x' + sizeof(R"(name(1))"));
    return 0;
}
