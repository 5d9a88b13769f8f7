/*
 * Runs contestants in turn, and tells what each took.
 *
 *   bench_race [-n TURNS] [-d NODES] [-p PREPARE] [-s] [-w] [-o FILE -k KEY] <TABLE
 *
 * TABLE has a contestant a line: NAME | WANTED | DIR | WORDS, the words split at blanks. A turn is
 * one run of every contestant, one after the other, so that what else the machine does meets all of
 * them. WORDS are started in DIR without a shell, with all output to /dev/null. "%" in DIR is the
 * number of the turn. PREPARE goes to the shell before each run, not timed, with $dir and $turn
 * set, DIR's last name.
 *
 * A first turn is not timed (with -w there is none): in it WANTED, a regular expression or "N
 * lines", has to be what the contestant says ("-": anything). The first contestant has to do it;
 * another that doesn't, that fails, or that is not installed, is left out, and told so. Afterwards
 * each runs once more with its system calls counted by strace -c -f (-s), its children's too.
 *
 * Prints a line each: wall time as the median and the quartiles (with -d for a node), user and
 * system time, peak memory, system calls, and the ratios of wall time and cpu time to the first
 * contestant's: the medians of the ratios of the single turns. FILE gets a line each of
 * KEY, NAME, seconds of wall time (median, quartiles) and cpu, bytes, calls, the ratios; with tabs.
 */
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
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
#define MOST_CONTESTANTS 24
#define MOST_WORDS       96

extern char **environ;

struct contestant {
    char *name, *wanted, *dir;
    char *words[MOST_WORDS + 1];
    double wall[MOST_TURNS], cpu[MOST_TURNS], ratio[MOST_TURNS], cpu_ratio[MOST_TURNS];
    long peak_kib, calls;
};

struct race {
    struct contestant all[MOST_CONTESTANTS];
    int n, turns;
    double nodes;
    const char *prepare, *out, *key;
    bool calls, no_warm_up;
    char *lines[MOST_CONTESTANTS]; /* of the table, which the contestants point into */
    int n_lines;
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

/* Starts and waits. out: where its output goes. Returns 0, an errno, or -1: *ret_status is not 0.
 */
static int run_words(char *const *words, const char *dir, int out, int *ret_status,
                     struct rusage *ret_use)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int e;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    e = posix_spawnp(&pid, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (e == 0 && wait4(pid, ret_status, 0, ret_use) != pid)
        e = errno;
    return e != 0 ? e : *ret_status != 0 ? -1 : 0;
}

/* False: it failed, why has been told. */
static bool run(struct race *r, struct contestant *c, int turn, int out)
{
    char *dir = for_turn(c->dir, turn + 1);
    double begin, took;
    struct rusage use;
    int status = 0, e;

    begin = now_s();
    e = run_words(c->words, dir, out, &status, &use);
    took = now_s() - begin;
    free(dir);
    if (e == ENOENT) {
        printf("  %-26s not installed\n", c->name);
        return false;
    }
    if (e != 0) {
        printf("  %-26s left out: %s %d\n", c->name,
               e > 0                 ? strerror(e)
               : WIFSIGNALED(status) ? "signal"
                                     : "exit",
               e > 0                 ? e
               : WIFSIGNALED(status) ? WTERMSIG(status)
                                     : WEXITSTATUS(status));
        return false;
    }
    if (use.ru_maxrss > c->peak_kib)
        c->peak_kib = use.ru_maxrss;
    if (turn >= 0) {
        c->wall[turn] = took;
        c->cpu[turn] = seconds(use.ru_utime) + seconds(use.ru_stime);
        c->ratio[turn] = took / r->all[0].wall[turn];
        c->cpu_ratio[turn] = c->cpu[turn] / r->all[0].cpu[turn];
    }
    return true;
}

/* Does the file have what the contestant was to say? */
static bool says(FILE *f, const char *wanted)
{
    long lines = 0, number;
    bool found = false;
    char *line = NULL;
    size_t cap = 0;
    int read = 0;
    regex_t re;

    if (strcmp(wanted, "-") == 0)
        return true;
    if (sscanf(wanted, "%ld lines%n", &number, &read) != 1 || read == 0)
        number = -1;
    if (regcomp(&re, wanted, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    rewind(f);
    for (; getline(&line, &cap, f) >= 0; lines++)
        found = found || regexec(&re, line, 0, NULL, 0) == 0;
    regfree(&re);
    free(line);
    return number >= 0 ? lines == number : found;
}

static void tell_said(FILE *f, const struct contestant *c)
{
    char text[300];
    size_t n;

    rewind(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    printf("  %-26s left out: not \"%s\", but \"%s\"\n", c->name, c->wanted, text);
}

/* The turn that is not timed. */
static bool try(struct race *r, struct contestant *c)
{
    FILE *said = tmpfile();
    bool ok;

    if (said == NULL) {
        perror("bench_race");
        exit(1);
    }
    if (r->prepare != NULL)
        prepare(r->prepare, c, 0);
    ok = run(r, c, -1, fileno(said));
    if (ok && !says(said, c->wanted)) {
        tell_said(said, c);
        ok = false;
    }
    fclose(said);
    return ok;
}

/* Is it in $PATH, or a path itself? */
static bool is_installed(const char *program)
{
    const char *at = getenv("PATH");
    char path[4096];

    if (strchr(program, '/') != NULL || at == NULL)
        return true;
    for (size_t n; *at != '\0'; at += n + (at[n] == ':')) {
        n = strcspn(at, ":");
        snprintf(path, sizeof(path), "%.*s/%s", (int)n, at, program);
        if (access(path, X_OK) == 0)
            return true;
    }
    return false;
}

static void leave_out(struct race *r, int i)
{
    if (i == 0) { /* all is compared with it */
        fflush(stdout);
        fprintf(stderr, "bench_race: %s has to be in the race\n", r->all[0].name);
        exit(1);
    }
    memmove(&r->all[i], &r->all[i + 1], (size_t)(r->n - i - 1) * sizeof(r->all[0]));
    r->n--;
}

/* At blanks; `words` has room for `most` and ends with NULL. -1: there are more. */
static int split(char *text, char **words, int most)
{
    char *rest = NULL;
    int n = 0;

    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (n == most)
            return -1;
        words[n++] = word;
    }
    words[n] = NULL;
    return n;
}

/* The number in strace's last line; closes. */
static long read_total(int fd)
{
    FILE *f = fdopen(fd, "r");
    char line[256], what[64];
    long n, ret = -1;

    while (f != NULL && fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "%ld %63s", &n, what) == 2 && strcmp(what, "total") == 0)
            ret = n;
    if (f != NULL)
        fclose(f);
    return ret;
}

/* How many system calls it and its children make; -1: strace lost it. */
static long count_calls(struct race *r, struct contestant *c, int null)
{
    char name[] = "/tmp/bench_race.XXXXXX", strace[80], *words[MOST_WORDS + 8];
    char *dir = for_turn(c->dir, r->turns + 1);
    struct rusage use;
    int status, n, fd = mkstemp(name);
    long ret = -1;

    if (fd < 0)
        return -1;
    snprintf(strace, sizeof(strace), "strace -f -c -U calls,name -o %s", name);
    n = split(strace, words, 7);
    memcpy(words + n, c->words, sizeof(c->words));
    if (r->prepare != NULL)
        prepare(r->prepare, c, r->turns + 1);
    if (run_words(words, dir, null, &status, &use) == 0)
        ret = read_total(fd);
    else
        close(fd);
    (void)unlink(name);
    free(dir);
    return ret;
}

static void run_race(struct race *r)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (int i = 0; i < r->n;)
        if (!is_installed(r->all[i].words[0])) {
            printf("  %-26s not installed\n", r->all[i].name);
            leave_out(r, i);
        } else {
            i++;
        }
    for (int i = 0; !r->no_warm_up && i < r->n;)
        if (try(r, &r->all[i]))
            i++;
        else
            leave_out(r, i);
    for (int turn = 0; turn < r->turns; turn++)
        for (int i = 0; i < r->n;) {
            if (r->prepare != NULL)
                prepare(r->prepare, &r->all[i], turn + 1);
            if (run(r, &r->all[i], turn, null))
                i++;
            else
                leave_out(r, i);
        }
    for (int i = 0; i < r->n; i++)
        r->all[i].calls =
            r->calls && is_installed("strace") ? count_calls(r, &r->all[i], null) : -1;
    close(null);
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

static void tell(const struct race *r, struct contestant *c, FILE *out)
{
    double wall = quantile(c->wall, r->turns, 0.5) / r->nodes;
    double low = quantile(c->wall, r->turns, 0.25) / r->nodes;
    double high = quantile(c->wall, r->turns, 0.75) / r->nodes;
    double cpu = quantile(c->cpu, r->turns, 0.5) / r->nodes;
    double ratio = quantile(c->ratio, r->turns, 0.5);
    double cpu_ratio = quantile(c->cpu_ratio, r->turns, 0.5);
    char a[16], b[16], d[16], e[16], range[40], calls[24] = "-";

    if (c->calls >= 0)
        snprintf(calls, sizeof(calls), "%.*f", r->nodes > 1, (double)c->calls / r->nodes);
    snprintf(range, sizeof(range), "(%s - %s)", show(low, a), show(high, b));
    printf("  %-26s %9s  %-21s %9s %7.1f MiB %9s %6.2f %6.2f\n", c->name, show(wall, d), range,
           show(cpu, e), (double)c->peak_kib / 1024, calls, ratio, cpu_ratio);
    if (out != NULL)
        fprintf(out, "%s\t%s\t%.9f\t%.9f\t%.9f\t%.9f\t%ld\t%s\t%.3f\t%.3f\n", r->key, c->name, wall,
                low, high, cpu, c->peak_kib * 1024, calls, ratio, cpu_ratio);
}

/* Without the blanks around it. */
static char *trim(char *text)
{
    size_t n;

    text += strspn(text, " ");
    for (n = strlen(text); n != 0 && text[n - 1] == ' ';)
        n--;
    text[n] = '\0';
    return text;
}

/* NAME | WANTED | DIR | WORDS; the line is the contestant's from now on. */
static bool read_contestant(struct contestant *c, char *line)
{
    char *part[4];

    line[strcspn(line, "\n")] = '\0';
    for (int i = 0; i < 4; i++) {
        part[i] = line;
        line = i < 3 && line != NULL ? strchr(line, '|') : NULL;
        if (i < 3 && line == NULL)
            return false;
        if (line != NULL)
            *line++ = '\0';
        part[i] = trim(part[i]);
    }
    c->name = part[0];
    c->wanted = part[1];
    c->dir = part[2];
    return split(part[3], c->words, MOST_WORDS) > 0;
}

static bool read_table(struct race *r)
{
    char *line = NULL;
    size_t cap = 0;

    for (; getline(&line, &cap, stdin) >= 0; line = NULL, cap = 0) {
        if (r->n == MOST_CONTESTANTS || !read_contestant(&r->all[r->n++], line)) {
            fprintf(stderr, "bench_race: NAME | WANTED | DIR | WORDS, not: %s\n", line);
            free(line);
            return false;
        }
        r->lines[r->n_lines++] = line;
    }
    free(line);
    return r->n != 0;
}

static bool read_options(struct race *r, int argc, char **argv)
{
    for (int o; (o = getopt(argc, argv, "n:d:p:o:k:sw")) != -1;)
        switch (o) {
        case 'n':
            r->turns = atoi(optarg);
            break;
        case 'd':
            r->nodes = atof(optarg);
            break;
        case 'p':
            r->prepare = optarg;
            break;
        case 'o':
            r->out = optarg;
            break;
        case 'k':
            r->key = optarg;
            break;
        case 's':
            r->calls = true;
            break;
        case 'w':
            r->no_warm_up = true;
            break;
        default:
            return false;
        }
    return optind == argc && r->turns >= 1 && r->turns <= MOST_TURNS && r->nodes >= 1;
}

int main(int argc, char **argv)
{
    static struct race r = { .turns = 5, .nodes = 1, .key = "race" };
    FILE *out = NULL;

    if (!read_options(&r, argc, argv) || !read_table(&r)) {
        fprintf(stderr, "bench_race: see its opening comment\n");
        return 2;
    }
    run_race(&r);
    if (r.out != NULL && (out = fopen(r.out, "a")) == NULL)
        perror(r.out);
    printf("  %-26s %9s  %-21s %9s %11s %9s %6s %6s\n", "", "wall", "(quartiles)", "cpu", "peak",
           "calls", "wall x", "cpu x");
    for (int i = 0; i < r.n; i++)
        tell(&r, &r.all[i], out);
    for (int i = 0; i < r.n_lines; i++)
        free(r.lines[i]);
    return out != NULL && fclose(out) != 0;
}
