/*
 * The floor under the figures of a build system: what the machine takes for the bare work.
 *
 *   bench_floor [-j THREADS] stat LIST              looks at each path in LIST, a line each
 *   bench_floor [-j THREADS] readdir LIST           reads the names of each directory that holds
 *                                                   theirs: a day's, which has its hours
 *   bench_floor mmap FILE                           maps FILE and adds all of it up
 *   bench_floor [-j PROCESSES] spawn LIST COMMAND   runs COMMAND PATH for each, so many at a time
 *
 * Prints how many were there, or succeeded.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE   256
#define THREADS 64

extern char **environ;

struct floor {
    const char **paths;
    size_t n;
    size_t (*look)(const char *path);
    atomic_size_t next, there;
};

static size_t look_stat(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* How many names are in it. */
static size_t look_readdir(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    if (dir == NULL)
        return 0;
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        n += d->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void *look(void *arg)
{
    struct floor *f = arg;
    size_t there = 0;

    for (size_t i; (i = atomic_fetch_add(&f->next, PIECE)) < f->n;)
        for (size_t k = i; k < i + PIECE && k < f->n; k++)
            there += f->look(f->paths[k]);
    atomic_fetch_add(&f->there, there);
    return NULL;
}

static void look_all(struct floor *f, int threads)
{
    pthread_t others[THREADS];
    int begun = 0;

    while (begun + 1 < threads && begun < THREADS &&
           pthread_create(&others[begun], NULL, look, f) == 0)
        begun++;
    look(f);
    while (begun != 0)
        pthread_join(others[--begun], NULL);
}

/* a/b/c/_SUCCESS becomes a/b; what follows itself goes. */
static void to_parents(struct floor *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++) {
        char *path = strdup(f->paths[i]), *slash;

        for (int up = 0; path != NULL && up < 2; up++)
            if ((slash = strrchr(path, '/')) != NULL)
                *slash = '\0';
        if (path != NULL && (n == 0 || strcmp(f->paths[n - 1], path) != 0))
            f->paths[n++] = path;
        else
            free(path);
    }
    f->n = n;
}

/* One of them has ended: did it succeed? */
static size_t reap(void)
{
    int status;

    return wait(&status) > 0 && status == 0;
}

static void run_all(struct floor *f, const char *command, int most)
{
    size_t there = 0;
    int running = 0;

    for (size_t i = 0; i < f->n; i++) {
        char *words[] = { strdup(command), strdup(f->paths[i]), NULL };
        pid_t pid;

        if (running == most) {
            there += reap();
            running--;
        }
        if (posix_spawn(&pid, command, NULL, NULL, words, environ) == 0)
            running++;
        free(words[0]);
        free(words[1]);
    }
    while (running-- != 0)
        there += reap();
    f->there = there;
}

static int add_up(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t sum = 0;
    struct stat st;
    void *at;

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        return 1;
    at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < (size_t)st.st_size / sizeof(sum); i++)
        sum += ((const uint64_t *)at)[i];
    printf("%lld bytes, sum %llx\n", (long long)st.st_size, (unsigned long long)sum);
    return 0;
}

/* All of the file; the newlines become ends of texts. */
static bool read_list(struct floor *f, const char *name)
{
    FILE *list = fopen(name, "r");
    struct stat st;
    size_t len;
    char *text;

    if (list == NULL || fstat(fileno(list), &st) != 0)
        return false;
    len = (size_t)st.st_size;
    text = malloc(len + 1);
    if (text == NULL || fread(text, 1, len, list) != len)
        return false;
    fclose(list);
    for (size_t i = 0; i < len; i++)
        f->n += text[i] == '\n';
    f->paths = malloc((f->n + 1) * sizeof(*f->paths));
    if (f->paths == NULL)
        return false;
    f->n = 0;
    for (char *at = text, *end; (end = memchr(at, '\n', len - (size_t)(at - text))) != NULL;
         at = end + 1) {
        *end = '\0';
        f->paths[f->n++] = at;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct floor f = { .n = 0 };
    const char *what;
    size_t wanted;
    int n = 1;

    for (int c; (c = getopt(argc, argv, "+j:")) != -1;) {
        if (c != 'j')
            return 2;
        n = atoi(optarg);
    }
    if (argc - optind < 2)
        return 2;
    what = argv[optind];
    if (strcmp(what, "mmap") == 0)
        return add_up(argv[optind + 1]);
    if (!read_list(&f, argv[optind + 1])) {
        fprintf(stderr, "bench_floor: no list\n");
        return 1;
    }
    wanted = f.n;
    if (strcmp(what, "spawn") == 0 && optind + 2 < argc) {
        run_all(&f, argv[optind + 2], n);
    } else if (strcmp(what, "readdir") == 0) {
        f.look = look_readdir;
        to_parents(&f);
        look_all(&f, n);
    } else if (strcmp(what, "stat") == 0) {
        f.look = look_stat;
        look_all(&f, n);
    } else {
        return 2;
    }
    printf("%zu of %zu\n", (size_t)f.there, wanted);
    return f.there >= wanted ? 0 : 1;
}
