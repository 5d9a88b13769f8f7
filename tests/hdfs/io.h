/*
 * io: HDFS as a plain client of WebHDFS sees it, for jobs of the tests and for what tests look at.
 * Nothing of stagegraph is in it, so that what it finds is another's word.
 *
 * The cluster is told by the environment, as `cluster env` prints it: WEBHDFS_URL, WEBHDFS_URL2 of
 * a pair, HDFS_CA with Kerberos and TLS (then SWEBHDFS_URL is asked).
 */
#ifndef HDFS_IO_H
#define HDFS_IO_H

#include <stdbool.h>
#include <stddef.h>

struct io_answer {
    long status; /* 0: there was none, or not all of it */
    char *body;  /* terminated; free() it. Of status 0 the reason */
    size_t len;
};

/*
 * One operation: "PUT", "/an/absolute path", "RENAME&destination=…" (what is in the query is
 * encoded already). CREATE and OPEN go to the DataNode by themselves. What can pass (nobody there,
 * standby, safe mode) is tried again for $IO_PATIENCE seconds (180), so what is asked for should do
 * no harm twice: CREATE with overwrite=true. False: *ret is the last answer.
 */
bool io_do(const char *method, const char *path, const char *query, const void *body, size_t n,
           struct io_answer *ret);
/* One request to any URL, once. */
bool io_plain(const char *method, const char *url, const char *text, struct io_answer *ret);
/* The path in a query or URL; free() it. '/' stays. */
char *io_encoded(const char *path);
/* The same as io_do() for many paths, over several connections at once, with empty bodies. False:
 * one of those that were not done, and the answer to it. */
bool io_many(const char *method, const char *query, char *const *paths, size_t n, size_t *ret_which,
             struct io_answer *ret);

#endif
