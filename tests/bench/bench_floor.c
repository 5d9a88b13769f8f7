/*
 * The floor under the figures of a build system: what the machine takes for the bare work.
 *
 *   bench_floor [-j THREADS] LIST            stats each path in LIST, a line each
 *   bench_floor [-j PROCESSES] LIST COMMAND  runs COMMAND PATH for each, so many at a time
 *
 * Prints how many were there, or succeeded.
 */
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIECE   256
#define THREADS 64

extern char **environ;

struct floor {
    const char **paths;
    size_t n;
    atomic_size_t next, there;
};

static void *look(void *arg)
{
    struct floor *f = arg;
    struct stat st;
    size_t there = 0;

    for (size_t i; (i = atomic_fetch_add(&f->next, PIECE)) < f->n;)
        for (size_t k = i; k < i + PIECE && k < f->n; k++)
            there += stat(f->paths[k], &st) == 0;
    atomic_fetch_add(&f->there, there);
    return NULL;
}

/* One of them has ended: did it succeed? */
static size_t reap(void)
{
    int status;

    return wait(&status) > 0 && status == 0;
}

static size_t run_all(const struct floor *f, const char *command, int most)
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
    return there;
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
    pthread_t threads[THREADS];
    int n = 1, begun = 0;

    for (int c; (c = getopt(argc, argv, "+j:")) != -1;) {
        if (c != 'j')
            return 2;
        n = atoi(optarg);
    }
    if (optind >= argc || !read_list(&f, argv[optind])) {
        fprintf(stderr, "bench_floor: no list\n");
        return 1;
    }
    if (optind + 1 < argc) {
        f.there = run_all(&f, argv[optind + 1], n);
    } else {
        while (begun + 1 < n && begun < THREADS &&
               pthread_create(&threads[begun], NULL, look, &f) == 0)
            begun++;
        look(&f);
        while (begun != 0)
            pthread_join(threads[--begun], NULL);
    }
    printf("%zu of %zu\n", (size_t)f.there, f.n);
    return f.there == f.n ? 0 : 1;
}
