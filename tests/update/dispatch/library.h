struct library { int (*call)(void *); };
void library_begin(struct library *library);
int library_call(void *data);
int by_name(void *data);
