/* Visibility by attribute, pragma and flag. */
//! flags: -fvisibility=hidden
//! link: -rdynamic -ldl
//! indirect: hidden_one pragma_hidden flag_hidden shown protected_one
//! by-name: shown
#include <dlfcn.h>
#include <stdio.h>

#include "visibility.h"

int main(void)
{
    int (*found)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "shown");
    printf("%d %d %d %d\n", hidden_one(1), pragma_hidden(2), flag_hidden(3), protected_one(5));
    printf("%d %d\n", found != NULL, found ? found(4) : 0);
    printf("%d\n", found == shown);
    printf("%d\n", dlsym(RTLD_DEFAULT, "hidden_one") == NULL);
    printf("%d\n", dlsym(RTLD_DEFAULT, "flag_hidden") == NULL);
    printf("%d\n", hidden_data + pragma_data);
    return 0;
}
