/*
 * records: output that can be checked: numbered records of known content, over both streams.
 *
 *   records write ID COUNT [open]             COUNT records of the job ID; open: no final newline
 *   records check plain ID COUNT              standard input is exactly that (the newline may lack)
 *   records check prefixed SLOW ID COUNT ...  these among other lines, each with "ID | " in front
 *
 * A record is "RNNNNNNNN LLLLLLLL " (its number and the length of what follows), bytes of any value
 * but '\n', and a '\n'. Most are short; some have hundreds of kilobytes. With a prefix a record may
 * be torn where the terminal would have been kept waiting: its pieces follow each other, each with
 * its prefix. SLOW is the pause in microseconds after each 64 KiB that are read.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEADER    19
#define TABLE     ((size_t)1 << 20)
#define JOBS      8
#define LINE_MOST ((size_t)1 << 20)

static unsigned char table[TABLE];

static void fill_table(void)
{
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < TABLE; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        table[i] = (unsigned char)(x >> 24);
        if (table[i] == '\n')
            table[i] = '\0';
    }
}

static size_t length_of(unsigned seq)
{
    if (seq % 1009 == 1008)
        return 300000;
    return (seq * 2654435761u >> 16) % 4000;
}

static const unsigned char *content_of(const char *id, unsigned seq)
{
    size_t at = seq * 4093u;

    for (; *id != '\0'; id++)
        at = at * 31 + (unsigned char)*id;
    return table + at % (TABLE - 300000);
}

static bool write_all(int fd, const char *at, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, at, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        at += done;
        n -= (size_t)done;
    }
    return true;
}

static int write_records(const char *id, unsigned count, bool open)
{
    static char record[HEADER + 300000 + 2];

    for (unsigned seq = 0; seq < count; seq++) {
        size_t n = length_of(seq), len = HEADER + n;

        (void)snprintf(record, sizeof(record), "R%08u %08zu ", seq, n);
        memcpy(record + HEADER, content_of(id, seq), n);
        if (!open || seq + 1 < count)
            record[len++] = '\n';
        if (!write_all(1 + (int)(seq & 1), record, len))
            return 1;
    }
    return 0;
}

/* ---- checking */

struct job {
    const char *id;
    unsigned count, seq;
    char record[HEADER + 300000]; /* of the one that comes */
    size_t len;
};

static struct job jobs[JOBS];
static size_t n_jobs;

static int complain(const struct job *j, const char *what)
{
    (void)fprintf(stderr, "records: %s: record %u of %u: %s\n", j->id, j->seq, j->count, what);
    return 1;
}

/* Bytes of a job in their order, without the ends of lines. */
static int take(struct job *j, const char *at, size_t n)
{
    while (n > 0) {
        size_t want = HEADER, k;
        unsigned seq = 0, len = 0;

        if (j->seq == j->count)
            return complain(j, "more than there should be");
        if (j->len >= HEADER)
            want += length_of(j->seq);
        k = want - j->len < n ? want - j->len : n;
        memcpy(j->record + j->len, at, k);
        j->len += k;
        at += k;
        n -= k;
        if (j->len < HEADER)
            continue;
        if (sscanf(j->record, "R%8u %8u ", &seq, &len) != 2 || seq != j->seq ||
            len != length_of(j->seq))
            return complain(j, "not the one that comes next");
        if (j->len < HEADER + length_of(j->seq))
            continue;
        if (memcmp(j->record + HEADER, content_of(j->id, j->seq), j->len - HEADER) != 0)
            return complain(j, "other bytes than were written");
        j->seq++;
        j->len = 0;
    }
    return 0;
}

static struct job *job_of(const char *line, size_t n, size_t *ret_prefix)
{
    for (size_t i = 0; i < n_jobs; i++) {
        size_t k = strlen(jobs[i].id);

        if (n >= k + 3 && memcmp(line, jobs[i].id, k) == 0 && memcmp(line + k, " | ", 3) == 0) {
            *ret_prefix = k + 3;
            return &jobs[i];
        }
    }
    return NULL;
}

static int check_line(const char *line, size_t n, bool plain)
{
    size_t prefix = 0;
    struct job *j = plain ? jobs : job_of(line, n, &prefix);

    if (j == NULL) {
        if (memmem(line, n, "were not shown", 14) != NULL) {
            (void)fprintf(stderr, "records: %.*s\n", (int)n, line);
            return 1;
        }
        return 0;
    }
    if (take(j, line + prefix, n - prefix) != 0)
        return 1;
    return plain && j->len != 0 ? complain(j, "torn") : 0;
}

static int check(bool plain, useconds_t slow)
{
    static char text[LINE_MOST + 65536];
    size_t have = 0;
    ssize_t n;

    while ((n = read(0, text + have, 65536)) > 0 || (n < 0 && errno == EINTR)) {
        const char *at = text, *end = text + have + (n > 0 ? n : 0), *newline;

        have = (size_t)(end - text);
        while ((newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
            if (check_line(at, (size_t)(newline - at), plain) != 0)
                return 1;
            at = newline + 1;
        }
        have = (size_t)(end - at);
        memmove(text, at, have);
        if (have > LINE_MOST) {
            (void)fprintf(stderr, "records: a line without an end\n");
            return 1;
        }
        if (slow > 0)
            (void)usleep(slow);
    }
    if (have > 0 && check_line(text, have, plain) != 0)
        return 1;
    for (size_t i = 0; i < n_jobs; i++)
        if (jobs[i].seq != jobs[i].count || jobs[i].len != 0)
            return complain(&jobs[i], "is the first that lacks");
    return 0;
}

int main(int argc, char **argv)
{
    bool plain;

    fill_table();
    if (argc >= 4 && strcmp(argv[1], "write") == 0)
        return write_records(argv[2], (unsigned)atoi(argv[3]), argc == 5);
    if (argc < 5 || strcmp(argv[1], "check") != 0)
        return 2;
    plain = strcmp(argv[2], "plain") == 0;
    for (int i = plain ? 3 : 4; i + 1 < argc && n_jobs < JOBS; i += 2) {
        jobs[n_jobs].id = argv[i];
        jobs[n_jobs++].count = (unsigned)atoi(argv[i + 1]);
    }
    return check(plain, plain ? 0 : (useconds_t)atoi(argv[3]));
}
