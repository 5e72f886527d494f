struct state {
    long calls[4];
};

static struct state state;
long other(void);
long other(void) { return ++state.calls[0]; }
