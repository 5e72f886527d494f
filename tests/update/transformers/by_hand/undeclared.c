/* Nobody declares what this calls: what it returns would be cut to an int. */
static void dsu_transform_struct_item(struct item *new, const struct item_old *old)
{
    new->doubled = *rindex_of(old->label);
}
