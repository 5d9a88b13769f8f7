#include "io.h"

#include <curl/curl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8

static void out_of_memory(void)
{
    (void)fputs("io: out of memory\n", stderr);
    exit(1);
}

static char *text_of(char *text, int n)
{
    if (n < 0)
        out_of_memory();
    return text;
}

char *io_encoded(const char *path)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~";
    char *out = malloc(strlen(path) * 3 + 1), *to = out;

    if (out == NULL)
        out_of_memory();
    for (; *path != '\0'; path++) {
        if (strchr(plain, *path) != NULL)
            *to++ = *path;
        else
            to += sprintf(to, "%%%02X", (unsigned char)*path);
    }
    *to = '\0';
    return out;
}

static size_t take(const char *from, size_t size, size_t n, void *ctx)
{
    struct io_answer *a = ctx;
    char *grown = realloc(a->body, a->len + size * n + 1);

    if (grown == NULL)
        out_of_memory();
    a->body = grown;
    if (n != 0)
        memcpy(a->body + a->len, from, size * n);
    a->len += size * n;
    a->body[a->len] = '\0';
    return size * n;
}

static size_t on_body(char *from, size_t size, size_t n, void *ctx)
{
    return take(from, size, n, ctx);
}

/* No answer, or not all of it: the body is the reason. */
static void fail(struct io_answer *a, const char *reason)
{
    a->status = 0;
    a->len = 0;
    (void)take(reason, 1, strlen(reason), a);
}

/* One request; *redirect is where it leads, "" nowhere. */
static void request(CURL *c, const char *method, const char *url, const void *body, size_t n,
                    struct io_answer *ret, char **redirect)
{
    const char *ca = getenv("HDFS_CA"), *to = NULL;
    struct curl_slist *type = curl_slist_append(NULL, "Content-Type: application/octet-stream");
    CURLcode code;

    free(ret->body);
    memset(ret, 0, sizeof(*ret));
    (void)take("", 1, 0, ret);
    curl_easy_reset(c);
    (void)curl_easy_setopt(c, CURLOPT_URL, url);
    (void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    (void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(c, CURLOPT_TIMEOUT, 120L);
    (void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(c, CURLOPT_WRITEDATA, ret);
    (void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, type);
    if (strcmp(method, "GET") != 0) {
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)n);
        (void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, n == 0 ? "" : body);
    }
    if (ca != NULL) {
        (void)curl_easy_setopt(c, CURLOPT_CAINFO, ca);
        (void)curl_easy_setopt(c, CURLOPT_HTTPAUTH, CURLAUTH_NEGOTIATE);
        (void)curl_easy_setopt(c, CURLOPT_USERPWD, ":");
    }
    code = curl_easy_perform(c);
    if (code == CURLE_OK) {
        (void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &ret->status);
        (void)curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &to);
    } else {
        fail(ret, curl_easy_strerror(code));
    }
    *redirect = strdup(to == NULL ? "" : to);
    if (*redirect == NULL)
        out_of_memory();
    curl_slist_free_all(type);
}

/* "&user.name=…" without Kerberos. Several threads ask: getpwuid() would hand the same text to all
 * of them, and write it anew under their eyes. */
static const char *as_user(char ret[300])
{
    struct passwd pw, *found = NULL;
    char text[4096];

    ret[0] = '\0';
    if (getenv("HDFS_CA") == NULL && getpwuid_r(geteuid(), &pw, text, sizeof(text), &found) == 0 &&
        found != NULL)
        (void)snprintf(ret, 300, "&user.name=%s", pw.pw_name);
    return ret;
}

/* Both steps, at one NameNode. */
static void attempt(CURL *c, const char *base, const char *method, const char *path,
                    const char *query, const void *body, size_t n, struct io_answer *ret)
{
    char *where = io_encoded(path), *url, *redirect, user[300];
    bool writes = strncmp(query, "CREATE", 6) == 0;

    (void)text_of(NULL, asprintf(&url, "%s%s?op=%s%s", base, where, query, as_user(user)));
    request(c, method, url, NULL, 0, ret, &redirect);
    if (redirect[0] != '\0') {
        char *second = redirect;

        request(c, method, second, writes ? body : NULL, writes ? n : 0, ret, &redirect);
        free(second);
    }
    free(redirect);
    free(where);
    free(url);
}

/* No answer; a NameNode that is not so far; a DataNode that has not found its NameNode again, whose
 * connections are those to the one before. */
static bool can_pass(const struct io_answer *a)
{
    static const char *const passing[] = {
        "StandbyException",
        "SafeModeException",
        "RetriableException",
        "Failed to find datanode",
        "could only be written to 0 of",
        "ConnectException",
        "EOFException",
        "SocketException",
        "SocketTimeoutException",
        "ClosedChannelException",
        "ailed on local exception",
        "Connection reset",
        "Broken pipe",
    };

    if (a->status == 0 || a->status == 503)
        return true;
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (a->status >= 400 && strstr(a->body, passing[i]) != NULL)
            return true;
    return false;
}

static bool is_done(const struct io_answer *a)
{
    return a->status >= 200 && a->status < 300;
}

static time_t now_s(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec;
}

/* At one NameNode after the other, again and again while it can pass. */
static void persevere(CURL *c, const char *method, const char *path, const char *query,
                      const void *body, size_t n, struct io_answer *ret)
{
    const char *patience = getenv("IO_PATIENCE");
    const char *bases[] = { getenv(getenv("HDFS_CA") != NULL ? "SWEBHDFS_URL" : "WEBHDFS_URL"),
                            getenv("WEBHDFS_URL2") };
    time_t give_up = now_s() + (patience == NULL ? 180 : atoi(patience));

    for (;;) {
        for (size_t i = 0; i < 2; i++) {
            if (bases[i] == NULL)
                continue;
            attempt(c, bases[i], method, path, query, body, n, ret);
            if (!can_pass(ret))
                return;
        }
        if (now_s() >= give_up)
            return;
        (void)usleep(100000);
    }
}

bool io_do(const char *method, const char *path, const char *query, const void *body, size_t n,
           struct io_answer *ret)
{
    CURL *c = curl_easy_init();

    if (c == NULL)
        out_of_memory();
    memset(ret, 0, sizeof(*ret));
    persevere(c, method, path, query, body, n, ret);
    curl_easy_cleanup(c);
    return is_done(ret);
}

bool io_plain(const char *method, const char *url, const char *text, struct io_answer *ret)
{
    CURL *c = curl_easy_init();
    char *redirect;

    if (c == NULL)
        out_of_memory();
    memset(ret, 0, sizeof(*ret));
    request(c, method, url, text, strlen(text), ret, &redirect);
    free(redirect);
    curl_easy_cleanup(c);
    return ret->status == 200;
}

/* ---- many */

struct part {
    pthread_t thread;
    const char *method, *query;
    char *const *paths;
    size_t at, end; /* at: the next, at last the one that was not done */
    struct io_answer answer;
};

static void *do_part(void *arg)
{
    struct part *p = arg;
    CURL *c = curl_easy_init();

    if (c == NULL)
        out_of_memory();
    for (; p->at < p->end; p->at++) {
        persevere(c, p->method, p->paths[p->at], p->query, NULL, 0, &p->answer);
        if (!is_done(&p->answer))
            break;
    }
    curl_easy_cleanup(c);
    return NULL;
}

bool io_many(const char *method, const char *query, char *const *paths, size_t n, size_t *ret_which,
             struct io_answer *ret)
{
    struct part parts[THREADS];
    bool ok = true;

    for (size_t i = 0; i < THREADS; i++) {
        parts[i] = (struct part){ .method = method,
                                  .query = query,
                                  .paths = paths,
                                  .at = n * i / THREADS,
                                  .end = n * (i + 1) / THREADS };
        if (pthread_create(&parts[i].thread, NULL, do_part, &parts[i]) != 0)
            out_of_memory();
    }
    for (size_t i = 0; i < THREADS; i++) {
        (void)pthread_join(parts[i].thread, NULL);
        if (ok && parts[i].at < parts[i].end) {
            ok = false;
            *ret_which = parts[i].at;
            *ret = parts[i].answer;
        } else {
            free(parts[i].answer.body);
        }
    }
    return ok;
}
