/* Functions found by name at run time, and called from a shared library: always the current version. */
//! flags: -D_GNU_SOURCE
//! link: -rdynamic -ldl
//! by-name: plugin_a plugin_b
//! variant: -O0 -g
//! variant: -O2
//! variant: -O2 -fPIE -pie
#include <dlfcn.h>
#include <stdio.h>

int plugin_a(int x)
{
    return x + 1;
}

int plugin_b(int);
extern int exported_data;
int exported_data = 9;
static int not_exported(int x)
{
    return x;
}

int main(void)
{
    void *self = dlopen(NULL, RTLD_NOW);
    int (*a)(int) = (int (*)(int))dlsym(self, "plugin_a");
    int (*b)(int) = (int (*)(int))dlsym(self, "plugin_b");
    int *data = dlsym(self, "exported_data");
    printf("%d %d\n", a ? a(1) : -1, b ? b(2) : -1);
    printf("%d %d\n", a == plugin_a, b == plugin_b);
    printf("%d %d\n", data == &exported_data, dlsym(self, "not_exported") == NULL);
    printf("%d\n", not_exported(4));
    Dl_info info;
    printf("%s\n", dladdr((void *)a, &info) && info.dli_sname ? info.dli_sname : "?");
    return 0;
}
