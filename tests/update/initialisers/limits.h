extern const int exported_constant;
extern int exported_never_written, exported_written;
extern const char *const exported_name;
void user(void);
