/*
 * namenode: a NameNode for tests: a tree of directories in memory that speaks WebHDFS over HTTP,
 * with a clock of its own, and answers that get lost.
 *
 *   struct namenode *n = namenode_open();
 *   … sg_webhdfs_open() with root = namenode_root(n) …
 *   namenode_arm(n, (struct namenode_fault){ .how = NAMENODE_AFTER, .at = 3 });
 *   … what is to be tested …
 *   if (!namenode_hit(n)) break;             the sweep is over: fewer than 3 requests
 *   namenode_close(n);
 *
 * It does MKDIRS, RENAME with renameoptions=NONE, DELETE, GETFILESTATUS and LISTSTATUS, with paths
 * of inodes (/.reserved/.inodes/ID) too, and answers as Hadoop 3.4.3 does: its exceptions, its
 * modification times. Files can only be put there by the test. Requests are done one at a time;
 * each connection has a thread. Everything here may be called from any thread and stops the test
 * when it does not work.
 */
#ifndef SG_FAKE_NAMENODE_H
#define SG_FAKE_NAMENODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum namenode_how {
    NAMENODE_FINE,
    NAMENODE_BEFORE, /* the connection breaks, and nothing was done */
    NAMENODE_AFTER,  /* it was done, and the connection breaks */
    NAMENODE_LATE    /* the connection breaks; it is done after `late` further requests */
};

struct namenode_fault {
    enum namenode_how how;
    unsigned at;    /* the k-th request, from 1 */
    unsigned every; /* and then each so many; 0: that one alone */
    unsigned late;
    const char *op; /* counts these only ("RENAME"); NULL: all */
};

struct namenode;

struct namenode *namenode_open(void);
void namenode_close(struct namenode *n);
/* "webhdfs://127.0.0.1:PORT/root": /root is there. Valid until it is closed. */
const char *namenode_root(const struct namenode *n);

/* Counts begin anew. */
void namenode_arm(struct namenode *n, struct namenode_fault fault);
bool namenode_hit(struct namenode *n); /* did the fault happen? */
/* Requests since then, of an operation or (NULL) of all. */
unsigned namenode_count(struct namenode *n, const char *op);
/* Refuses connections, and breaks those that are there; or takes them again. */
void namenode_silence(struct namenode *n, bool silent);

/* As HttpFS: renames as if without options, and says true or false. */
void namenode_plain_renames(struct namenode *n);

/* So much time passes for it. */
void namenode_pass(struct namenode *n, int64_t ms);

/* Paths are relative to the root. */
void namenode_make_dir(struct namenode *n, const char *path);
void namenode_make_file(struct namenode *n, const char *path);
void namenode_remove(struct namenode *n, const char *path);
bool namenode_has(struct namenode *n, const char *path);
/* The names of a directory's children, in order, each with a blank behind; to be freed. */
char *namenode_names(struct namenode *n, const char *path);

#endif
