/*
 * Sleeps in a system call of choice, again and again, and prints a line whenever the call returns.
 *
 *   program [-c CHILDREN] [-j] [-s] [-u] HOW [WORKER...]
 *
 * HOW is a way to sleep of rest.c; or `spin`, `stuck`, `exec`: runs, sleeps
 * outside every update point, becomes another program. Each WORKER is a thread
 * that does one of these. -c forks children that do the same; -s: with seccomp filters that forbid to map memory;
 * -u: as an ordinary user.
 */
#define _GNU_SOURCE
#include "program.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

/* Sleeps in the handler, in a call that must neither be taken for the one it interrupted nor be made to fail. */
static void on_long_signal(int number)
{
    struct timespec time = {1, 500000000};
    (void)number;
    long result = syscall(SYS_nanosleep, &time, NULL);
    printf("handler %ld 0 0.00 0 0\n", result);
    fflush(stdout);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void stuck(const char *how)
{
    volatile unsigned long n = 0;
    if (strcmp(how, "spin") == 0)
        for (;;)
            n++;
    if (strcmp(how, "exec") == 0) {
        usleep(500000);
        execlp("sleep", "sleep", "60", (char *)NULL);
    }
    for (;;)
        pause();
}

static void *work(void *how)
{
    if (strcmp(how, "stuck") == 0)
        pthread_setname_np(pthread_self(), "housekeeper");
    if (strcmp(how, "stuck") == 0 || strcmp(how, "spin") == 0)
        stuck(how);
    for (;;)
        rest(how);
}

static void serve(const char *how)
{
    if (strcmp(how, "stuck") == 0 || strcmp(how, "spin") == 0 || strcmp(how, "exec") == 0)
        stuck(how);
    for (;;) {
        double start = now();
        long result;
        int error;
        errno = 0;
        result = rest(how);
        error = errno;
        if (strcmp(how, "busy") == 0 || strcmp(how, "breed") == 0 || strcmp(how, "cond") == 0)
            continue;
        printf("%s %ld %d %.2f %d %d\n", how, result, result == -1 ? error : 0, now() - start, (int)signals, answer());
        fflush(stdout);
        if (result == 0 && strcmp(how, "stdin") == 0)
            exit(0);
    }
}

static void forbid_mapping(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 8, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 7, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 6, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigprocmask, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_gettid, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_restart_syscall, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        exit(9);
}

static void enter_jail(void)
{
    char root[] = "/tmp/dsu-push-XXXXXX";
    if (mkdtemp(root) == NULL || chmod(root, 0555) != 0 || chdir(root) != 0 || chroot(".") != 0 || setgroups(0, NULL) != 0
        || setgid(65534) != 0 || setuid(65534) != 0)
        exit(9);
    closefrom(3);
}

int main(int argc, char **argv)
{
    struct sigaction action;
    int option, children = 0, filters = 0, jail = 0, nobody = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = on_long_signal;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR2, &action, NULL);
    prepare();
    while ((option = getopt(argc, argv, "+c:jsu")) != -1) {
        if (option == 'c')
            children = atoi(optarg);
        else if (option == 'j')
            jail = 1;
        else if (option == 'u')
            nobody = 1;
        else
            filters = 1;
    }
    if (optind >= argc)
        return 2;
    while (children-- > 0) {
        pid_t parent = getpid();
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent)
                _exit(0);
            break;
        }
    }
    for (int n = optind + 1; n < argc; n++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, argv[n]) != 0)
            return 9;
    }
    printf("ready %s\n", version());
    fflush(stdout);
    if (jail)
        enter_jail();
    if (nobody && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0 || prctl(PR_SET_DUMPABLE, 1) != 0))
        return 9;
    if (filters)
        forbid_mapping();
    serve(argv[optind]);
    return 0;
}
