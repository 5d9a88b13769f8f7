/*
 * The floor of a look at many markers in HDFS: a plain loop of GETFILESTATUS.
 *
 *   bench_status URL CONNECTIONS FILE [MOST]    URL: http://HOST:PORT/webhdfs/v1/DIR; FILE has
 *                                               paths below it, a line each, which need no encoding
 *
 * Each connection has a thread, is kept alive and has one request under way. Prints requests and
 * the bytes of the answers. Exits with 1 when an answer is not 200.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MOST 64

static struct {
    char host[256], port[16], dir[1024];
    char **paths;
    size_t n;
    atomic_size_t next, bytes;
    atomic_bool failed;
} all;

static int dial(void)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
    int fd = -1, one = 1;

    if (getaddrinfo(all.host, all.port, &hints, &list) != 0)
        return -1;
    for (a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd >= 0)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

/* The answer: a NameNode sends it in chunks, of which the last is empty; or with a length. */
static bool take_answer(int fd)
{
    static const char last[] = "\r\n0\r\n\r\n";
    char text[16384];
    size_t n = 0, want = 0;

    for (;;) {
        ssize_t got = read(fd, text + n, sizeof(text) - 1 - n);
        const char *body, *length;

        if (got <= 0)
            return false; /* it ended, or is longer than a status ever is */
        n += (size_t)got;
        text[n] = '\0';
        body = strstr(text, "\r\n\r\n");
        if (body == NULL)
            continue;
        length = strcasestr(text, "\r\nContent-Length:");
        if (length != NULL && length < body)
            want = (size_t)(body + 4 - text) + strtoul(length + 17, NULL, 10);
        if (want != 0 ? n >= want : strcmp(text + n - strlen(last), last) == 0)
            break;
    }
    atomic_fetch_add(&all.bytes, n);
    return strncmp(text, "HTTP/1.1 200 ", 13) == 0;
}

static bool ask(int fd, const char *path)
{
    char request[4096];
    int n = snprintf(request, sizeof(request),
                     "GET %s/%s?op=GETFILESTATUS HTTP/1.1\r\nHost: %s:%s\r\n\r\n", all.dir, path,
                     all.host, all.port);

    return n > 0 && (size_t)n < sizeof(request) && write(fd, request, (size_t)n) == n &&
           take_answer(fd);
}

static void *loop(void *arg)
{
    int fd = dial();
    size_t i;

    (void)arg;
    while (!atomic_load(&all.failed) && (i = atomic_fetch_add(&all.next, 1)) < all.n)
        if (fd < 0 || !ask(fd, all.paths[i])) {
            fprintf(stderr, "bench_status: no status of %s\n", all.paths[i]);
            atomic_store(&all.failed, true);
        }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static bool read_paths(const char *file, size_t most)
{
    FILE *f = fopen(file, "r");
    char *line = NULL;
    size_t cap = 0, room = 0;
    ssize_t len;

    if (f == NULL)
        return false;
    while (all.n < most && (len = getline(&line, &cap, f)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (all.n == room) {
            room = room != 0 ? 2 * room : 1024;
            all.paths = reallocarray(all.paths, room, sizeof(*all.paths));
            if (all.paths == NULL)
                return false;
        }
        all.paths[all.n] = strdup(line);
        if (all.paths[all.n++] == NULL)
            return false;
    }
    free(line);
    return fclose(f) == 0;
}

int main(int argc, char **argv)
{
    int n = argc > 3 ? atoi(argv[2]) : 0;
    pthread_t threads[CONNECTIONS_MOST];

    if (n < 1 || n > CONNECTIONS_MOST ||
        sscanf(argv[1], "http://%255[^:/]:%15[0-9]%1023s", all.host, all.port, all.dir) != 3) {
        fprintf(stderr, "usage: bench_status URL CONNECTIONS FILE [MOST]\n");
        return 2;
    }
    if (!read_paths(argv[3], argc > 4 ? strtoul(argv[4], NULL, 10) : SIZE_MAX)) {
        perror("bench_status");
        return 1;
    }
    for (int i = 0; i < n; i++)
        if (pthread_create(&threads[i], NULL, loop, NULL) != 0)
            return 1;
    for (int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    printf("%zu requests, %zu bytes\n", all.n, (size_t)all.bytes);
    return all.failed;
}
