/* PLANNED was put before the other values: what is stored must move up by one. Runs once, while all threads stand still. */
#pragma dsu unit "ledger.c"
static int dsu_transform_state(void)
{
    for (struct account *a = accounts; a; a = a->next)
        a->status++;
    return 0;
}
