/*
 * dsu.h - for programs built by dsu-cc that say where they may be updated, or that update themselves.
 *
 * None of this is needed to make a program updatable: update points can also be named in dsu.toml. A program that
 * includes this header still builds with any other compiler; update points then are nothing, and only programs that
 * call the functions below need libdsu.
 */
#ifndef DSU_H
#define DSU_H

#ifdef __cplusplus
extern "C" {
#endif

/*
 * DSU_UPDATE_POINT("name");
 *
 * An update point: this thread may be updated here. Put it at the head of a long-running loop, where no old code holds
 * a half-done piece of work. At rest it costs one load and one predictable branch.
 */
#ifdef __DSU_CC__
#define DSU_UPDATE_POINT(name)                                                                                         \
    do {                                                                                                               \
        if (__builtin_expect(dsu_pending != 0, 0))                                                                     \
            dsu_update_point(name);                                                                                    \
    } while (0)
#else
#define DSU_UPDATE_POINT(name) ((void)0)
#endif

/* Not 0 while an update waits. For DSU_UPDATE_POINT. */
extern volatile unsigned dsu_pending;

/* Serves the update that waits. For DSU_UPDATE_POINT. */
void dsu_update_point(const char *name);

/*
 * What dsu_apply returns. The same codes as in the output of dsu-push --json.
 */
enum dsu_status {
    DSU_DONE = 0,             /* the patch is queued */
    DSU_ALREADY_APPLIED = 1,  /* the patch is in force already; nothing was changed */
    DSU_WRONG_STATE = 10,     /* the patch is for another build or state of the program */
    DSU_BAD_PATCH = 11,       /* the file cannot be read, or is damaged, or of another version */
    DSU_INCOMPATIBLE = 12,    /* a function, variable or type differs from what the patch expects */
    DSU_MISSING_SYMBOL = 13,  /* a library symbol that the patch needs is not in the process */
    DSU_NOT_NEWEST = 14,      /* the patch to undo is not the newest */
    DSU_NOTHING_TO_UNDO = 15, /* no patch is in force */
    DSU_TRANSFORMER_FAILED = 16, /* a state transformer of the patch said no; nothing was changed */
    DSU_IRREVERSIBLE = 17,    /* the patch changed data in a way that cannot be undone */
    DSU_REHEARSAL_FAILED = 18, /* the rehearsal went wrong, or could not be held */
    DSU_TIMED_OUT = 20,       /* the threads did not all come to rest in time; nothing was changed */
    DSU_BUSY = 21,            /* another update is under way, or the caller is a signal handler */
    DSU_NO_MEMORY = 30,       /* the system refused memory; nothing was changed */
    DSU_INTERNAL = 31,        /* an error in the runtime itself; nothing was changed */
    DSU_BAD_REQUEST = 32      /* no path was given */
};

/*
 * Reads and checks the patch file at `path` and queues it: it is applied when a thread next passes an update point, or
 * is in a blocking call that counts as one. Returns DSU_DONE where it is queued, else the reason why not; nothing has
 * changed then. The file is not needed any more when the call returns. errno is left alone.
 *
 * In a program with several threads, all others must come to update points within two seconds; threads that sleep
 * are waited for in vain. dsu-push has no such limit.
 *
 * Not for signal handlers.
 */
int dsu_apply(const char *path);

/*
 * A sentence about the last update of this process: the outcome of the last dsu_apply, or of the last update that was
 * carried out or refused. Never NULL. The text is overwritten by the next update.
 */
const char *dsu_last_message(void);

/*
 * For transformers, in the file given to dsu-diff --transform.
 *
 * A transformer of objects, `void dsu_transform_LABEL(struct T *new, const struct T_old *old)`, runs when code of the
 * patch first comes to a new field of an object, in whatever thread that is. Other objects that it uses the new fields of
 * are transformed first. It must not be left by longjmp, and must not wait for another thread that may use objects. Where
 * a process forks while another thread's transformer runs, the transformer starts again in the child.
 */

/*
 * Brings `object` to the version of its type that `stamp` stands for, or to the newest. In a transformer file, call
 * dsu_at_LABEL(object) instead, which is the same where the object is not up to date, and nothing where it is.
 */
void dsu_migrate(void *object, unsigned long stamp);

/* Counts a value that its new type cannot hold. dsu-push --status shows how many there were. */
void dsu_out_of_range(void);

#ifdef __cplusplus
}
#endif

#endif
