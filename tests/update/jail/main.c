/* A server that locks itself in, in the ways its arguments say. */
//! flags: -D_GNU_SOURCE
#include "serve.h"

#include <errno.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void command(const char *line);

static int filter(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int lock_in(const char *how)
{
    struct rlimit limit = {3, 3};
    if (!strcmp(how, "chroot"))
        return mkdir("empty", 0755) || chroot("empty") || chdir("/");
    if (!strcmp(how, "nobody"))
        return setgroups(0, NULL) || setgid(65534) || setuid(65534);
    if (!strcmp(how, "descriptors"))
        return setrlimit(RLIMIT_NOFILE, &limit);
    if (!strcmp(how, "close"))
        return close_range(3, ~0U, 0);
    if (!strcmp(how, "undumpable"))
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (!strcmp(how, "signals")) {
        for (int i = 1; i < 65; i++)
            if (i != SIGKILL && i != SIGSTOP && i != SIGALRM)
                signal(i, SIG_IGN);
        sigset_t all;
        sigfillset(&all);
        return sigprocmask(SIG_BLOCK, &all, NULL);
    }
    if (!strcmp(how, "seccomp"))
        return filter();
    if (!strcmp(how, "deleted")) {
        char path[500];
        ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        return unlink(path);
    }
    if (!strcmp(how, "daemon")) {
        if (fork())
            exit(0);
        setsid();
        printf("daemon %d\n", getpid());
        return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    char line[100];
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        if (lock_in(argv[i])) {
            printf("%s: %s\n", argv[i], strerror(errno));
            return 1;
        }
    puts("ready");
    while (next_line(line, sizeof line) >= 0)
        command(line);
    return 0;
}
