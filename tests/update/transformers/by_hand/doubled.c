#define TIMES(x) (factor * (x))
static int seen; /* the patch's own */

static int times(int x) { return TIMES(x); }

void dsu_transform_struct_item(struct item *new, const struct item_old *old)
{
    new->doubled = times(old->cents);
    migrated = ++seen;
}

static int dsu_transform_state(void)
{
    factor = 3;
    return 0;
}
