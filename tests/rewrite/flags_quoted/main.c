/* Flags that need quoting, force includes, and change the language. */
//! flags: "-DTEXT=\"two words\"" "-DFUNCTION=real_name" -include forced.h -DEMPTY= -UNEVER -funsigned-char -fshort-enums
//! flags: -fno-builtin -fwrapv -fno-strict-aliasing -pipe -fstack-protector-all -finstrument-functions-exclude-file-list=x
//! indirect: real_name
#include <stdio.h>

int FUNCTION(int x);

enum small { A, B };

int main(void)
{
    printf("%s %d %d %d %d\n", TEXT, FUNCTION(2), (char)200, (int)sizeof(enum small), FORCED EMPTY);
    return 0;
}
