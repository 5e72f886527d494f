/* A list of connections; every version changes their fields in another way. */
struct peer {
    unsigned ip;
    unsigned short port;
#if VERSION == 7
    unsigned short family;
#endif
    char host[64];
};

struct conn {
    struct conn *next;
#if VERSION == 2
    int hits;
#endif
#if VERSION == 4
    int number;
#elif VERSION == 5
    char name[32];
    struct peer peer;
#elif VERSION == 6
    long id;
#else
    int id;
#endif
#if VERSION == 6
    signed char level;
    float load;
#elif VERSION != 3
    int level;
    double load;
#endif
#if VERSION == 6
    char name[8];
    long totals[4];
#elif VERSION == 5
    int id;
    int totals[3];
#else
    char name[32];
    int totals[3];
#endif
#if VERSION != 5
    struct peer peer;
#endif
#if VERSION == 8
    unsigned open : 2;
    unsigned secure : 1;
    unsigned retries : 5;
#else
    unsigned open : 1;
    unsigned retries : 3;
#endif
};
