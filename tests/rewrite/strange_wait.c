/* A quiescent call of a library function that is not known to wait. */
//! config: [[update-point]]
//! config: name = "lines"
//! config: function = "main"
//! config: quiescent = ["fgets"]
//! note: update point lines: a thread that sleeps in fgets is not at rest
//! stdin: a
//! output: a
#include <stdio.h>

int main(void)
{
    char line[20];
    while (fgets(line, sizeof line, stdin))
        fputs(line, stdout);
    return 0;
}
