static void dsu_transform_struct_item(struct item *new, const struct item_old *old) { new->doubled = old->cents; }
int dsu_transform_state(void) { return items ? 7 : 0; }
