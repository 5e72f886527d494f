void dsu_transform_struct_conn(struct conn *new, const struct conn_old *old)
{
    new->weight = old->id * 10;
}
