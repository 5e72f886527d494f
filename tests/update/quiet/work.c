#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* What an observer in the process sees of it: descriptors, threads, signals. */
void command(const char *line)
{
    FILE *status = fopen("/proc/self/status", "r");
    char text[200];
    int descriptors = 0;
    printf("%s %d:", line, VERSION);
    while (status && fgets(text, sizeof text, status))
        if (!strncmp(text, "Threads", 7) || (!strncmp(text, "Sig", 3) && text[3] != 'Q') || !strncmp(text, "Shd", 3) || !strncmp(text, "TracerPid", 9)) {
            text[strcspn(text, "\n")] = 0;
            printf(" %s", strrchr(text, '\t') + 1);
        }
    if (status)
        fclose(status);
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory))
        descriptors++;
    if (directory)
        closedir(directory);
    printf(" %d\n", descriptors);
}
