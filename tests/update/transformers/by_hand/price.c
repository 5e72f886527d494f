/* What was a string is a number now. */
static void dsu_transform_struct_item(struct item *new, const struct item_old *old)
{
    char *end;
    new->price.euros = strtol(old->price, &end, 10);
    new->price.cents = *end == '.' ? atoi(end + 1) : 0;
}
