/* The trivial command: bench_touch FILE makes the file, and directories as needed, and ends. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int fd = -1;

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
    return fd >= 0 && write(fd, "made\n", 5) == 5 && close(fd) == 0 ? 0 : 1;
}
