/*
 * marker: what the marker in a node's output says: receipts, foreign markers, damage.
 *
 * Floor: record. docs/formats.md, "Receipt"; section 4 of the contract.
 *
 * The text of a receipt is one line of JSON with a checksum as its last key:
 *   {"stagegraph":1,"node":"silver@2024-01-01T05","state":"done","stamp":"<32 hex>",
 *    "version":"<32 hex>","recipe":"<32 hex>","inputs":[{"need":"bronze","from":"2024-01-01T05",
 *    "count":1,"versions":"<16 hex each, - for absent>"}],"run":"…","attempt":1,
 *    "started":"2024-01-01T06:00:12Z","seconds":180.5,"host":"…","xxh3":"<16 hex>"}
 * valid if and only if: it parses, "stagegraph" is a version we read, xxh3 is the XXH3-64 of all
 * bytes before `,"xxh3"`, a newline or nothing follows the closing brace, and the node is the one
 * asked for. Unknown keys are kept out of the way: readers skip them.
 */
#ifndef STAGEGRAPH_MARKER_H
#define STAGEGRAPH_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stagegraph/arena.h"
#include "stagegraph/buf.h"
#include "stagegraph/error.h"
#include "stagegraph/hash.h"
#include "stagegraph/store.h"

#define SG_MARKER_LIMIT ((size_t)4 << 20) /* a longer marker is damaged */

enum sg_marker_kind {
    SG_MARKER_ABSENT,
    SG_MARKER_DONE,
    SG_MARKER_ACCEPTED,
    SG_MARKER_RUNNING, /* state running: never fresh */
    SG_MARKER_FOREIGN, /* empty, or another tool's */
    SG_MARKER_DAMAGED
};

/* DONE, ACCEPTED, RUNNING: the marker has a receipt in it. */
bool sg_marker_is_receipt(enum sg_marker_kind kind);

/* Versions of inputs are known by their first 64 bits, as receipts hold them; 0 is "absent". A
 * version whose high half is 0 counts as 1. */
uint64_t sg_version_short(struct sg_hash128 version);

/* What one need of a node saw: `count` partitions of it from `from`. */
struct sg_input {
    const char *need; /* its canonical text, "bronze", "silver@-1?" */
    const char *from; /* label of the first partition; "" when count is 0 or it is a once */
    uint32_t count;
    const uint64_t *versions; /* count of them; 0: absent */
};

/* A marker as plans keep it: fixed size, no pointers. */
struct sg_marker {
    enum sg_marker_kind kind;
    struct sg_ident ident;     /* of the marker file; zero when absent */
    struct sg_hash128 stamp;   /* zero unless DONE / ACCEPTED */
    struct sg_hash128 version; /* of the output; FOREIGN: from mtime and length */
    struct sg_hash128 recipe;
    uint64_t inputs; /* sg_inputs_digest() of what the receipt recorded, without order-only needs */
};

struct sg_receipt {
    const char *node;
    enum sg_marker_kind state; /* DONE, ACCEPTED, RUNNING */
    struct sg_hash128 stamp, version, recipe;
    struct sg_input *inputs; /* all needs in the order of the graph file, order-only ones too */
    uint32_t n_inputs;
    const char *run;
    uint32_t attempt;
    int64_t started_s;
    double seconds;
    const char *host;
};

/*
 * The stamp: XXH3-128 over the recipe's hash and the inputs that count, in order: for each its need
 * and its versions. Not: labels, so that a node's stamp does not depend on its partition.
 */
struct sg_hash128 sg_stamp_of(struct sg_hash128 recipe, const struct sg_input *inputs, uint32_t n);

/* More versions of inputs than this lie in a file of their own. */
#define SG_RECEIPT_VERSIONS 512

/* The line, with its newline. When the inputs hold more than these versions, "inputs" is the hash
 * of sg_receipt_inputs_text(), which the caller puts to _stagegraph/inputs/HASH first. */
bool sg_receipt_format(const struct sg_receipt *r, struct sg_buf *out,
                       struct sg_error *err) SG_MUST;
bool sg_receipt_needs_inputs_file(const struct sg_receipt *r);
bool sg_receipt_inputs_text(const struct sg_receipt *r, struct sg_buf *out,
                            struct sg_error *err) SG_MUST;

/*
 * Reads a marker's text: kind and, for a receipt, its fields into *ret (which lies in the arena;
 * may be NULL when only the kind is wanted). `node` is the node it should be of. *ret_why gets
 * static text that says what is damaged. Inputs that lie in a file of their own: r->inputs is NULL
 * and *ret_inputs_file its hash.
 */
bool sg_receipt_parse(struct sg_arena *a, struct sg_span text, const char *node,
                      enum sg_marker_kind *ret_kind, struct sg_receipt *ret,
                      struct sg_hash128 *ret_inputs_file, const char **ret_why,
                      struct sg_error *err) SG_MUST;

/*
 * Reads the marker of a node from the store: dir is its output, name the marker. Resolves an inputs
 * file (lost: *ret_receipt has no inputs, nothing else changes). a and ret_receipt may both be
 * NULL.
 */
bool sg_marker_read(struct sg_store *store, const char *dir, const char *name, const char *node,
                    struct sg_arena *a, struct sg_marker *ret, struct sg_receipt *ret_receipt,
                    struct sg_error *err) SG_MUST;
/* The same of one that sg_store_stat_many() or sg_store_look_many() has just shown: its identity
 * may be what was shown. */
bool sg_marker_read_seen(struct sg_store *store, const char *dir, const char *name,
                         const char *node, const struct sg_entry *seen, struct sg_arena *a,
                         struct sg_marker *ret, struct sg_receipt *ret_receipt,
                         struct sg_error *err) SG_MUST;
/* Writes the receipt (and its inputs file before it) as the node's marker. ret: NULL, not wanted.
 */
bool sg_marker_write(struct sg_store *store, const char *dir, const char *name,
                     const struct sg_receipt *r, struct sg_marker *ret,
                     struct sg_error *err) SG_MUST;

/*
 * Version of an output: XXH3-128 over the sorted multiset of (relative directory, length, checksum
 * with its algorithm) of its data files; zero without checksums. Counts files, and the newest
 * mtime. With durable each file and each directory that holds some, itself or below, is flushed.
 * Symbolic links count as what they lead to. Absent: no files.
 */
struct sg_output_facts {
    struct sg_hash128 version;
    bool incomparable; /* the store has checksums that say nothing: the version is zero */
    int64_t files, bytes;
    int64_t newest_ns, oldest_ns; /* modification times; 0 when there are none */
};
bool sg_output_examine(struct sg_store *store, const char *dir, bool checksums, bool durable,
                       struct sg_output_facts *ret, struct sg_error *err) SG_MUST;
/* The same in two: its files, which are then listed once, and what they hold. */
struct sg_output;
bool sg_output_look(struct sg_store *store, const char *dir, struct sg_output **ret,
                    struct sg_output_facts *ret_facts, struct sg_error *err) SG_MUST;
bool sg_output_read(struct sg_store *store, const char *dir, struct sg_output *o, bool checksums,
                    bool durable, struct sg_output_facts *ret, struct sg_error *err) SG_MUST;
void sg_output_free(struct sg_output *o); /* NULL is fine */

/*
 * Version of a source's partition, and whether it is there. listing: sorted relative names and
 * lengths, and the marker's content; content: names and checksums; marker: the marker's content.
 * Without a marker the path is there when its newest file is `settle_s` old by the store's clock
 * and none is empty and still being written; a directory without data files when it is that old
 * itself. The path may be a single file. `marker` needs one.
 */
enum sg_source_identity { SG_SOURCE_LISTING, SG_SOURCE_CONTENT, SG_SOURCE_MARKER };

struct sg_source {
    const char *path;
    const char *marker; /* its name; NULL: none */
    enum sg_source_identity identity;
    int64_t settle_s;
    const struct sg_entry *seen; /* what is at path; NULL: nobody has looked */
    bool keep;                   /* the version will be kept: is it steady? */
};

#define SG_SOURCE_OPEN INT64_MAX
struct sg_source_state {
    bool there;
    bool steady; /* where `keep` was asked: as long as the path has the identity that it had, all
                    this holds: never on a store where files are changed in place */
    int64_t unsettled_ns;      /* age of the newest file of what is not there because it is not old
                                  enough, SG_SOURCE_OPEN where an empty file is still being written;
                                  else -1 */
    struct sg_hash128 version; /* zero: not there */
};
bool sg_source_examine(struct sg_store *store, const struct sg_source *source,
                       struct sg_source_state *ret, struct sg_error *err) SG_MUST;

#endif
