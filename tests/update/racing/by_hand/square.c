static void dsu_transform_struct_object(struct object *new, const struct object_old *old)
{
    new->square = old->serial * old->serial;
    new->square++;
    __atomic_fetch_add(&transformed, 1, __ATOMIC_RELAXED);
}
