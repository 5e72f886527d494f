struct session {
    char name[64];
    int count;
#if VERSION >= 2
    int added;
#endif
};
