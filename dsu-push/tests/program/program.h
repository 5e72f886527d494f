/* A program that sleeps in a system call of choice; see main.c. */
#ifndef PROGRAM_H
#define PROGRAM_H

/* answer.c */
int answer(void);
const char *version(void);

/* rest.c */
void prepare(void);
void make_ready(void);
long rest(const char *how);

#endif
