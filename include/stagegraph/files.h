/*
 * files: the few things that the state directory needs of the local file system.
 *
 * Floor: base. Outputs and markers are the store's (store.h); this is for logs, scratch files and
 * the like, which are disposable: nothing here is flushed.
 */
#ifndef STAGEGRAPH_FILES_H
#define STAGEGRAPH_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "stagegraph/buf.h"
#include "stagegraph/error.h"

/* mkdir -p; fine if it is there. */
bool sg_files_make_dir(const char *path, struct sg_error *err) SG_MUST;
/* Creates or truncates. */
bool sg_files_write(const char *path, struct sg_span text, struct sg_error *err) SG_MUST;
/* The same over a file whose old contents nobody looks at any more. Its inode is used again, and it
 * is never cut to nothing on the way, which makes ext4 write it to disk when it is closed. */
bool sg_files_write_over(const char *path, struct sg_span text, struct sg_error *err) SG_MUST;
/* Appends the whole file to out; *ret_found false where there is none. */
bool sg_files_read(const char *path, struct sg_buf *out, bool *ret_found,
                   struct sg_error *err) SG_MUST;
/* Removes a tree; absent is fine; symbolic links are removed, never followed. */
bool sg_files_remove_tree(const char *path, struct sg_error *err) SG_MUST;
/* All of n bytes, short writes and EINTR taken care of. */
bool sg_files_write_fd(int fd, const void *bytes, size_t n, struct sg_error *err) SG_MUST;
/* The same at a place of the file, for caches: where it fails, or the file is shorter, nobody asks
 * why. */
bool sg_files_read_at(int fd, void *to, size_t n, uint64_t offset) SG_MUST;
bool sg_files_write_at(int fd, const void *from, size_t n, uint64_t offset) SG_MUST;

#endif
