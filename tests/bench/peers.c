#include "peers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stagegraph/clock.h"

/* What is done for each node of a plan, in the order of the file's stages and of time. */
typedef bool node_fn(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                     int64_t index, struct sg_error *err);

/* " store/bronze/dt-2013-01-01/hr-05/data", with `before` for the blank. */
static bool put_path(const struct sg_bench_peers *b, FILE *to, const char *before,
                     const struct sg_stage *s, int64_t index, const char *name,
                     struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT;
    bool ok = sg_plan_dir(b->plan, s, index, &dir, err);

    if (ok)
        fprintf(to, "%s%s/%s/%s", before, b->root, sg_buf_text(&dir), name);
    sg_buf_done(&dir);
    return ok;
}

static bool each_of(const struct sg_bench_peers *b, FILE *to, uint32_t stage, node_fn *fn,
                    struct sg_error *err)
{
    const struct sg_plan_stage *v = &b->plan->stages[stage].pub;

    for (int64_t x = v->lo; x < v->hi; x++)
        if (!fn(b, to, sg_plan_stage_at(b->plan, stage), x, err))
            return false;
    return true;
}

static bool each_node(const struct sg_bench_peers *b, FILE *to, node_fn *fn, struct sg_error *err)
{
    for (uint32_t i = 0; i < b->plan->c.graph->n_stages; i++)
        if (!each_of(b, to, i, fn, err))
            return false;
    return true;
}

static bool put_inputs(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                       int64_t index, struct sg_error *err)
{
    for (uint32_t k = 0; k < s->n_needs; k++) {
        const struct sg_stage *of = sg_plan_stage_at(b->plan, s->needs[k].of.i);
        struct sg_range r = sg_edge_range(b->plan, s, &b->plan->edges[s->id.i][k], index);

        for (int64_t x = r.first; x < r.end; x++)
            if (!put_path(b, to, " ", of, x, b->name, err))
                return false;
    }
    return true;
}

static FILE *create(const char *name, struct sg_error *err)
{
    FILE *f = fopen(name, "w");

    if (f == NULL)
        (void)sg_error_set(err, SG_ERROR_SYSTEM, 0, "create %s", name); /* NULL tells */
    return f;
}

static bool finish(FILE *f, const char *name, bool ok, struct sg_error *err)
{
    bool written = !ferror(f);

    if (fclose(f) != 0 || !written)
        return ok && sg_error_set(err, SG_ERROR_SYSTEM, 0, "write %s", name);
    return ok;
}

/* ---- ninja */

static bool put_ninja(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                      int64_t index, struct sg_error *err)
{
    if (!put_path(b, to, "build ", s, index, b->name, err))
        return false;
    fprintf(to, ": make");
    if (!put_inputs(b, to, s, index, err))
        return false;
    for (uint32_t i = 0; i < s->n_code; i++)
        fprintf(to, "%s%s", i == 0 ? " | " : " ", s->code[i]);
    fprintf(to, "\n");
    return true;
}

bool sg_bench_ninja(const struct sg_bench_peers *b, struct sg_error *err)
{
    FILE *f = create("build.ninja", err);

    if (f == NULL)
        return false;
    fprintf(f, "rule make\n  command = %s $out\n", b->command);
    return finish(f, "build.ninja", each_node(b, f, put_ninja, err), err);
}

/* MurmurHash64A as ninja's build log of version 5 has it. */
static uint64_t murmur_hash(const char *text)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995), seed = UINT64_C(0xDECAFBADDECAFBAD);
    size_t len = strlen(text);
    uint64_t h = seed ^ (len * m), k;

    for (; len >= 8; text += 8, len -= 8) {
        memcpy(&k, text, 8);
        k *= m;
        k ^= k >> 47;
        k *= m;
        h ^= k;
        h *= m;
    }
    if (len != 0) {
        k = 0;
        memcpy(&k, text, len);
        h ^= k;
        h *= m;
    }
    h ^= h >> 47;
    h *= m;
    return h ^ h >> 47;
}

/* ninja holds a file without an entry for stale, and the entry has the hash of the command. Its
 * time has to be no earlier than the newest input's: that of now is, without a look at a million
 * files. */
static bool put_log(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                    int64_t index, struct sg_error *err)
{
    struct sg_buf dir = SG_BUF_INIT;
    char path[512], line[4096];
    bool ok = sg_plan_dir(b->plan, s, index, &dir, err);

    if (ok) {
        snprintf(path, sizeof(path), "%s/%s/%s", b->root, sg_buf_text(&dir), b->name);
        snprintf(line, sizeof(line), "%s %s", b->command, path);
        fprintf(to, "0\t1\t%" PRId64 "\t%s\t%" PRIx64 "\n", sg_wall_now().ns, path,
                murmur_hash(line));
    }
    sg_buf_done(&dir);
    return ok;
}

bool sg_bench_ninja_log(const struct sg_bench_peers *b, struct sg_error *err)
{
    FILE *f = create(".ninja_log", err);

    if (f == NULL)
        return false;
    fprintf(f, "# ninja log v5\n");
    return finish(f, ".ninja_log", each_node(b, f, put_log, err), err);
}

/* ---- make */

static bool put_make(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                     int64_t index, struct sg_error *err)
{
    if (!put_path(b, to, "", s, index, b->name, err))
        return false;
    fprintf(to, ":");
    if (!put_inputs(b, to, s, index, err))
        return false;
    for (uint32_t i = 0; i < s->n_code; i++)
        fprintf(to, " %s", s->code[i]);
    fprintf(to, "\n\t%s $@\n", b->command);
    return true;
}

static bool put_target(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                       int64_t index, struct sg_error *err)
{
    return put_path(b, to, " \\\n  ", s, index, b->name, err);
}

static bool is_needed(const struct sg_graph *g, uint32_t stage)
{
    for (uint32_t i = 0; i < g->n_stages; i++)
        for (uint32_t k = 0; i != stage && k < g->stages[i].n_needs; k++)
            if (g->stages[i].needs[k].of.i == stage)
                return true;
    return false;
}

bool sg_bench_make(const struct sg_bench_peers *b, struct sg_error *err)
{
    const struct sg_graph *g = b->plan->c.graph;
    FILE *f = create("Makefile", err);
    bool ok = true;

    if (f == NULL)
        return false;
    fprintf(f, ".SUFFIXES:\nall:"); /* one list: a line for each would be quadratic */
    for (uint32_t i = 0; ok && i < g->n_stages; i++)
        ok = is_needed(g, i) || each_of(b, f, i, put_target, err);
    fprintf(f, "\n");
    return finish(f, "Makefile", ok && each_node(b, f, put_make, err), err);
}

/* ---- the floors' */

static bool put_list(const struct sg_bench_peers *b, FILE *to, const struct sg_stage *s,
                     int64_t index, struct sg_error *err)
{
    bool ok = put_path(b, to, "", s, index, b->name, err);

    fprintf(to, "\n");
    return ok;
}

bool sg_bench_list(const struct sg_bench_peers *b, const char *file, const char *name,
                   struct sg_error *err)
{
    struct sg_bench_peers other = *b;
    FILE *f = create(file, err);

    other.name = name;
    return f != NULL && finish(f, file, each_node(&other, f, put_list, err), err);
}
