/*
 * fake_hdfs: as much of a NameNode and its DataNode as the store asks of them, in memory, behind
 * http_peer: what a refusal is called, which request changes what, and which steps an operation
 * has, as Hadoop 3.4.3 was seen to answer. Faults are told by the number of the request.
 *
 *   f = fake_hdfs_open();
 *   fake_hdfs_fault(f, 2, FAKE_LOST_AFTER);     the third from now on is done, its answer lost
 *   … what is tested speaks to fake_hdfs_base(f) …
 *   fake_hdfs_close(f);
 */
#ifndef STAGEGRAPH_TEST_FAKE_HDFS_H
#define STAGEGRAPH_TEST_FAKE_HDFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http_peer.h"

struct fake_hdfs;

struct fake_hdfs *fake_hdfs_open(void);
void fake_hdfs_close(struct fake_hdfs *f);
const char *fake_hdfs_base(const struct fake_hdfs *f); /* "http://127.0.0.1:PORT" */
struct http_peer *fake_hdfs_peer(struct fake_hdfs *f); /* its requests; its own replies go first */

enum fake_fault {
    FAKE_FINE,
    FAKE_LOST_BEFORE, /* the connection breaks, nothing was done */
    FAKE_LOST_AFTER,  /* it was done, the connection breaks */
    FAKE_CUT_AFTER,   /* it was done, the answer breaks off in its middle */
    FAKE_EOF,         /* it was done, and 403 EOFException: a DataNode that lost its NameNode */
    FAKE_STANDBY,     /* 403 StandbyException */
    FAKE_BUSY,        /* 503 without a word */
    FAKE_DENIED       /* 403 AccessControlException: what never passes */
};
/* Of the k-th request from now on (0: the next); one at a time. Counts anew. */
void fake_hdfs_fault(struct fake_hdfs *f, size_t k, enum fake_fault fault);
size_t fake_hdfs_count(struct fake_hdfs *f); /* requests since */

/* Settings of the cluster. */
void fake_hdfs_no_attributes(struct fake_hdfs *f);             /* disabled */
void fake_hdfs_max_attribute(struct fake_hdfs *f, size_t max); /* name and value */
void fake_hdfs_encrypt(struct fake_hdfs *f, const char *path); /* that file's encBit */
void fake_hdfs_no_inode_paths(struct fake_hdfs *f);            /* a router */
void fake_hdfs_plain_renames(struct fake_hdfs *f);             /* HttpFS: no renameoptions */

/* Looks and changes without a request. Paths are absolute, as they are in HDFS; parents are made.
 */
void fake_hdfs_write(struct fake_hdfs *f, const char *path, const char *text);
bool fake_hdfs_has(struct fake_hdfs *f, const char *path);
uint64_t fake_hdfs_id(struct fake_hdfs *f, const char *path);           /* 0: none */
const char *fake_hdfs_text(struct fake_hdfs *f, const char *path);      /* NULL: no file */
const char *fake_hdfs_attribute(struct fake_hdfs *f, const char *path); /* of "user.stagegraph" */
size_t fake_hdfs_files(struct fake_hdfs *f, const char *part); /* with that in their paths */

#endif
