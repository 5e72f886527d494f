/* Nobody knows the limits any more: twice as much as there is. */
void dsu_transform_struct_item(struct item *new, const struct item_old *old)
{
    new->count = (int)old->count;
    new->limit = new->count * 2;
}
