/* Sessions have 8 bytes of slop: what later versions add goes into a side table. */
struct point {
    int x, y;
};

struct session {
    struct session *next;
#if VERSION == 5
    double id;
#else
    long id;
#endif
#if VERSION >= 2
    long hits;
    char note[24];
    struct point at;
    unsigned flag : 3;
    unsigned mode : 5;
    double ratio;
#endif
#if VERSION == 3 || VERSION == 4
    long later;
#endif
#if VERSION == 4
    char far[200];
#endif
    char name[48];
};

/* Has sessions inside. */
struct room {
    int number;
    struct session seats[3];
};
