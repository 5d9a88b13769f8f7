/*
 * Runs contestants in turn, and tells what each took.
 *
 *   bench_race [-n TURNS] [-d NODES] [-p PREPARE] NAME DIR WORDS... [-- NAME DIR WORDS...]...
 *
 * A turn is one run of every contestant, one after the other, so that what else the machine does
 * meets all of them; the first turn is not counted. WORDS are started in DIR without a shell, with
 * all output to /dev/null; exits with 1 when one fails. "%" in DIR and WORDS is the number of the
 * turn. PREPARE goes to the shell before each run, not timed, with $dir and $turn set, DIR's last
 * name.
 *
 * Prints a line each: wall time as the median and the quartiles (with -d for a node), user and
 * system time, peak memory, and the ratio to the first contestant: the median of the ratios of the
 * single turns.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_TURNS       200
#define MOST_CONTESTANTS 16
#define MOST_WORDS       64

extern char **environ;

struct contestant {
    const char *name, *dir;
    char *const *words;
    int n_words;
    double wall[MOST_TURNS], cpu[MOST_TURNS], ratio[MOST_TURNS];
    long peak_kib;
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/* The text with the number of the turn for each %; to be freed. */
static char *for_turn(const char *text, int turn)
{
    char *ret = malloc(strlen(text) * 12 + 1), *to = ret;

    if (ret == NULL)
        exit(1);
    for (; *text != '\0'; text++)
        if (*text == '%')
            to += sprintf(to, "%d", turn);
        else
            *to++ = *text;
    *to = '\0';
    return ret;
}

static void prepare(const char *command, const struct contestant *c, int turn)
{
    const char *slash = strrchr(c->dir, '/');
    char number[16];

    snprintf(number, sizeof(number), "%d", turn);
    setenv("dir", slash != NULL ? slash + 1 : c->dir, 1);
    setenv("turn", number, 1);
    if (system(command) != 0) {
        fprintf(stderr, "bench_race: %s: failed before %s\n", command, c->name);
        exit(1);
    }
}

static bool run(struct contestant *c, int turn, double *ret_wall, double *ret_cpu)
{
    char *words[MOST_WORDS + 1], *dir = for_turn(c->dir, turn);
    posix_spawn_file_actions_t actions;
    double begin;
    struct rusage use;
    int status, e;
    pid_t pid;

    for (int i = 0; i < c->n_words; i++)
        words[i] = for_turn(c->words[i], turn);
    words[c->n_words] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    begin = now_s();
    e = posix_spawnp(&pid, words[0], &actions, NULL, words, environ);
    if (e == 0 && wait4(pid, &status, 0, &use) != pid)
        e = errno;
    *ret_wall = now_s() - begin;
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < c->n_words; i++)
        free(words[i]);
    free(dir);
    if (e != 0 || status != 0) {
        fprintf(stderr, "bench_race: %s: %s %d\n", c->name,
                e != 0 ? strerror(e) : "ended with status", e != 0 ? 0 : status);
        return false;
    }
    *ret_cpu = seconds(use.ru_utime) + seconds(use.ru_stime);
    if (use.ru_maxrss > c->peak_kib)
        c->peak_kib = use.ru_maxrss;
    return true;
}

static int compare(const void *x, const void *y)
{
    const double *a = x, *b = y;

    return *a < *b ? -1 : *a > *b;
}

/* part: 0.5 is the median. Sorts. */
static double quantile(double *of, int n, double part)
{
    double at = part * (n - 1);
    int i = (int)at;

    qsort(of, (size_t)n, sizeof(*of), compare);
    return i + 1 < n ? of[i] + (of[i + 1] - of[i]) * (at - i) : of[i];
}

static const char *show(double s, char ret[16])
{
    if (s < 1e-3)
        snprintf(ret, 16, "%.0f us", s * 1e6);
    else if (s < 1)
        snprintf(ret, 16, "%.*f ms", s < 0.1 ? 2 : 0, s * 1e3);
    else
        snprintf(ret, 16, "%.2f s", s);
    return ret;
}

static void tell(struct contestant *c, int turns, double nodes)
{
    char median[16], low[16], high[16], cpu[16], range[40];

    (void)show(quantile(c->wall, turns, 0.5) / nodes, median);
    (void)show(quantile(c->wall, turns, 0.25) / nodes, low);
    (void)show(quantile(c->wall, turns, 0.75) / nodes, high);
    (void)show(quantile(c->cpu, turns, 0.5) / nodes, cpu);
    snprintf(range, sizeof(range), "(%s - %s)", low, high);
    printf("  %-26s %9s  %-23s %9s %8.1f MiB %7.2f\n", c->name, median, range, cpu,
           (double)c->peak_kib / 1024, quantile(c->ratio, turns, 0.5));
}

static int read_contestants(int argc, char **argv, struct contestant *all)
{
    int n = 0;

    for (int i = 0; i < argc;) {
        struct contestant *c = &all[n];

        if (n == MOST_CONTESTANTS || argc - i < 3)
            return 0;
        c->name = argv[i];
        c->dir = argv[i + 1];
        c->words = &argv[i + 2];
        for (i += 2; i < argc && strcmp(argv[i], "--") != 0; i++)
            c->n_words++;
        if (c->n_words == 0 || c->n_words > MOST_WORDS)
            return 0;
        i++;
        n++;
    }
    return n;
}

int main(int argc, char **argv)
{
    static struct contestant all[MOST_CONTESTANTS];
    const char *before = NULL;
    double nodes = 1;
    int turns = 5, n;

    for (int o; (o = getopt(argc, argv, "+n:d:p:")) != -1;) {
        if (o == 'n')
            turns = atoi(optarg);
        else if (o == 'd')
            nodes = atof(optarg);
        else if (o == 'p')
            before = optarg;
        else
            return 2;
    }
    n = read_contestants(argc - optind, argv + optind, all);
    if (n == 0 || turns < 1 || turns > MOST_TURNS || nodes < 1) {
        fprintf(stderr, "bench_race: see its opening comment\n");
        return 2;
    }
    for (int turn = -1; turn < turns; turn++)
        for (int i = 0; i < n; i++) {
            struct contestant *c = &all[i];
            double wall, cpu;

            if (before != NULL)
                prepare(before, c, turn + 1);
            if (!run(c, turn + 1, &wall, &cpu))
                return 1;
            if (turn < 0)
                continue;
            c->wall[turn] = wall;
            c->cpu[turn] = cpu;
            c->ratio[turn] = wall / all[0].wall[turn];
        }
    printf("  %-26s %9s  %-23s %9s %12s %7s\n", "", "wall", "(quartiles)", "cpu", "peak", "ratio");
    for (int i = 0; i < n; i++)
        tell(&all[i], turns, nodes);
    return 0;
}
