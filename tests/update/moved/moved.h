extern int moved_data;
int moved_function(int), use_static(void), in_a(void), in_b(void);
