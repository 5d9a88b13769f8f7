/*
 * The trivial command: bench_touch FILE makes the file, and directories as needed, and ends. With
 * BENCH_STAMPS in its environment it appends to that file when it began and when it was about to
 * end, two int64_t of nanoseconds for bench_gaps. With BENCH_TOUCH=no it fails and makes nothing.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* one clock for all processes */
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static bool stamp(const char *path, int64_t begun_ns)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    int64_t stamps[2] = { begun_ns, now_ns() };

    return fd >= 0 && write(fd, stamps, sizeof(stamps)) == (ssize_t)sizeof(stamps);
}

int main(int argc, char **argv)
{
    const char *stamps = getenv("BENCH_STAMPS");
    int64_t begun_ns = stamps != NULL ? now_ns() : 0;
    const char *may = getenv("BENCH_TOUCH");
    int fd = -1;

    if (may != NULL && strcmp(may, "no") == 0)
        return 1;
    if (argc == 2)
        fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 && argc == 2) {
        for (char *at = argv[1]; (at = strchr(at, '/')) != NULL; at++) {
            *at = '\0';
            (void)mkdir(argv[1], 0777); /* if it is not there then, open tells */
            *at = '/';
        }
        fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0666);
    }
    if (fd < 0 || write(fd, "made\n", 5) != 5 || close(fd) != 0)
        return 1;
    return stamps == NULL || stamp(stamps, begun_ns) ? 0 : 1;
}
