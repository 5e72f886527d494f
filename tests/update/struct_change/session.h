struct options {
    int flags;
#if VERSION == 4
    char moved;
#endif
    char mode;
};

struct session {
#if VERSION == 3
    long id;
#else
    int id;
#endif
    const char *name;
    struct options options;
#if VERSION == 2
    int added;
#endif
};

/* Used nowhere, and yet told. */
enum level {
    LOW,
#if VERSION == 5
    MIDDLE,
#endif
    HIGH
};
