void loop_add(int (*callback)(void));
void loop_run(void);
