/*
 * A ledger of accounts. Each version after the first changes the shape of its data in one more way:
 *
 *   2  a field is added                      7  a field is renamed, bit-fields are added
 *   3  a nested struct grows                 8  a union gets a member, a typedef changes
 *   4  a struct in an array grows            9  an enum's values change
 *   5  fields change places, one is gone    10  globals: a table grows, one is retyped, a struct grows
 *   6  fields are retyped, arrays change    11  a struct becomes opaque
 */
#ifndef LEDGER_H
#define LEDGER_H

#ifndef VERSION
#define VERSION 1
#endif

enum status {
#if VERSION >= 9
    PLANNED,
#endif
    OPEN,
    CLOSED,
    FROZEN
};

#if VERSION >= 8
typedef long amount;
#else
typedef int amount;
#endif

struct limits {
    int daily;
    int weekly;
#if VERSION >= 3
    int monthly;
#endif
};

struct entry {
    int number;
    int value;
#if VERSION >= 4
    int balance_after;
#endif
};

union terms {
    int percent;
    char code[8];
#if VERSION >= 8
    int parts[2];
#endif
};

struct account {
    struct account *next;
#if VERSION >= 5
    int entries;
    struct limits limits;
#else
    struct limits limits;
    int visits;
    int entries;
#endif
#if VERSION >= 6
    char name[32];
    long balance;
    char branch[4];
#else
    char name[16];
    int balance;
    char branch[8];
#endif
    enum status status;
#if VERSION >= 7
    int interest;
    unsigned vip : 1;
    unsigned grade : 3;
#else
    int rate;
#endif
    unsigned checked : 1;
    unsigned letters : 2;
    amount overdraft;
    union terms terms;
    struct entry history[3];
#if VERSION >= 2
    long opened;
#endif
};

#if VERSION >= 11
struct totals;
#else
struct totals {
    long served;
    long refused;
    char last[48];
#if VERSION >= 10
    long created;
#endif
};
#endif

/* Answers one line; the answer has no newline. */
void ledger_command(char *line, char *reply, unsigned long size);

/* totals.c */
struct totals *totals_get(void);
void totals_count(struct totals *totals, const char *command, int understood);
long totals_print(const struct totals *totals, char *reply, unsigned long size);

#endif
