int called_by_plain(int), taken_by_plain(int), never_taken(int);
int plain_call(int);
int (*plain_pointer(void))(int);
extern int plain_data;
