struct entry {
    const char *name;
    int (*run)(int);
};

int alpha(int), beta(int), gamma(int);
extern const struct entry there[3];
int find(int (*f)(int));
int (*find_by_name(const char *name))(int);
/* A table in a header: each unit has its own. */
static int (*const shared_table[])(int) __attribute__((unused)) = {alpha, beta, gamma};
