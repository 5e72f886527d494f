struct alg {
    const char *name;
    int number;
    const struct alg *next;
};

int alg_number(const char *name);
const struct alg *alg_find(const char *name);
int use(const struct alg *alg);
