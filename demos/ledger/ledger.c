#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct account *accounts;
static int numbers;

#if VERSION >= 10
static const char *const titles[] = {"planned", "open", "closed", "frozen", "lost"};
#elif VERSION >= 9
static const char *const titles[] = {"planned", "open", "closed", "frozen"};
#else
static const char *const titles[] = {"open", "closed", "frozen"};
#endif

static struct account *find(const char *name)
{
    for (struct account *a = accounts; a; a = a->next)
        if (!strcmp(a->name, name))
            return a;
    return NULL;
}

static struct account *create(const char *name)
{
    struct account *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    snprintf(a->name, sizeof a->name, "%s", name);
    strcpy(a->branch, "HQ");
    a->status = OPEN;
    a->limits.daily = 100;
    a->limits.weekly = 500;
    a->overdraft = 50;
    a->terms.percent = 3;
    a->letters = 2;
#if VERSION >= 2
    a->opened = 2000 + VERSION;
#endif
#if VERSION >= 3
    a->limits.monthly = 1000;
#endif
#if VERSION >= 7
    a->interest = 7;
    a->grade = 5;
#else
    a->rate = 7;
#endif
    a->next = accounts;
    accounts = a;
    return a;
}

static void book(struct account *a, int value)
{
    struct entry *e = &a->history[a->entries++ % 3];

    a->balance += value;
    e->number = ++numbers;
    e->value = value;
#if VERSION >= 4
    e->balance_after = (int)a->balance;
#endif
#if VERSION < 5
    a->visits++;
#endif
}

static void show(const struct account *a, char *reply, size_t size)
{
    int n = snprintf(reply, size, "%s %s %ld", a->name, titles[a->status], (long)a->balance);
    const struct entry *e = &a->history[0];

    n += snprintf(reply + n, size - n, " limits %d/%d", a->limits.daily, a->limits.weekly);
#if VERSION >= 3
    n += snprintf(reply + n, size - n, "/%d", a->limits.monthly);
#endif
    n += snprintf(reply + n, size - n, " first %d:%d", e->number, e->value);
#if VERSION >= 4
    n += snprintf(reply + n, size - n, "=%d", e->balance_after);
#endif
#if VERSION >= 2
    n += snprintf(reply + n, size - n, " opened %ld", a->opened);
#endif
#if VERSION < 5
    n += snprintf(reply + n, size - n, " visits %d", a->visits);
#endif
    n += snprintf(reply + n, size - n, " branch %s %zu", a->branch, sizeof a->branch);
#if VERSION >= 7
    n += snprintf(reply + n, size - n, " interest %d vip %d grade %d", a->interest, a->vip, a->grade);
#else
    n += snprintf(reply + n, size - n, " rate %d", a->rate);
#endif
    n += snprintf(reply + n, size - n, " letters %d overdraft %ld percent %d", a->letters, (long)a->overdraft,
                  a->terms.percent);
    (void)n;
}

static int understood(char *line, char *reply, size_t size)
{
    char *name = strchr(line, ' ');
    char *value = name ? strchr(name + 1, ' ') : NULL;
    struct account *a;

    if (name)
        *name++ = 0;
    if (value)
        *value++ = 0;
    snprintf(reply, size, "done");
    if (!strcmp(line, "version"))
        snprintf(reply, size, "%d", VERSION);
    else if (!strcmp(line, "totals"))
        totals_print(totals_get(), reply, size);
    else if (name && !strcmp(line, "open"))
        create(name);
    else if (!name || !(a = find(name)))
        return 0;
    else if (!strcmp(line, "show"))
        show(a, reply, size);
    else if (value && !strcmp(line, "book"))
        book(a, atoi(value));
    else if (value && !strcmp(line, "status"))
        a->status = (enum status)(atoi(value) + OPEN);
    else
        return 0;
    return 1;
}

void ledger_command(char *line, char *reply, unsigned long size)
{
    char name[32];
    int ok;

    snprintf(name, sizeof name, "%s", line);
    ok = understood(line, reply, size);
    if (!ok)
        snprintf(reply, size, "what?");
    totals_count(totals_get(), name, ok);
}
