/* Recipes, stamps, receipts, the cache of markers. */
#include <string.h>

#include "stagegraph/cache.h"
#include "stagegraph/clock.h"
#include "stagegraph/digest.h"
#include "stagegraph/recipe.h"

#include "counts.h"

#define ROUNDS 2000
#define INPUTS 24
#define MTIME  (INT64_C(1400000000) * SG_NS_PER_S)

/* ---- recipe */

/* Of the stage, to text, and read from it again. */
static void make_recipes(void *ctx)
{
    const struct counts_world *w = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf text = SG_BUF_INIT;

    for (int i = 0; i < ROUNDS; i++) {
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_recipe r, again;
        bool valid = false;

        sg_buf_clear(&text);
        must(sg_recipe_of(w->graph, &w->graph->stages[2], w->code, &a, &r, &err) &&
                 sg_recipe_format(&r, &text, &err) &&
                 sg_recipe_parse(&a, sg_buf_span(&text), r.hash, &again, &valid, &err),
             &err);
        must_be(valid && again.n_parts == r.n_parts, "a recipe is read as it was written");
        sg_arena_done(&a);
    }
    sg_buf_done(&text);
}

uint64_t count_recipe(void)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;

    counts_graph(&text, "bronze", "bronze silver silver@-1", "env.MODE = full\nversion = 2\n");
    counts_world_open(&w, sg_buf_text(&text), counts_after(24));
    counted(make_recipes, &w);
    counts_world_close(&w);
    sg_buf_done(&text);
    return ROUNDS;
}

/* ---- stamp and receipt */

struct made {
    uint64_t versions[INPUTS];
    struct sg_input inputs[2];
    struct sg_receipt receipt;
    struct sg_buf text;
};

/* A node with an hour of one stage and a day of another for inputs. */
static void make_receipt(struct made *m)
{
    memset(m, 0, sizeof(*m));
    for (uint64_t i = 0; i < INPUTS; i++)
        m->versions[i] = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    m->inputs[0] = (struct sg_input){ "bronze", "2024-01-01T05", 1, m->versions };
    m->inputs[1] = (struct sg_input){ "silver@-23..0", "2023-12-31T06", INPUTS, m->versions };
    m->receipt = (struct sg_receipt){ .node = "gold@2024-01-01T05",
                                      .state = SG_MARKER_DONE,
                                      .version = sg_hash128_of("version", 7),
                                      .recipe = sg_hash128_of("recipe", 6),
                                      .inputs = m->inputs,
                                      .n_inputs = 2,
                                      .run = "20240101T060012-3f2a9c",
                                      .attempt = 1,
                                      .started_s = 1704088812,
                                      .seconds = 180.5,
                                      .host = "here" };
}

static void make_stamps(void *ctx)
{
    struct made *m = ctx;

    for (int i = 0; i < ROUNDS; i++) {
        m->versions[0] ^= sg_inputs_digest(m->inputs, 2);
        m->receipt.stamp = sg_stamp_of(m->receipt.recipe, m->inputs, 2);
        m->versions[1] ^= m->receipt.stamp.lo;
    }
    must_be(m->versions[0] != 0, "a stamp says something");
}

uint64_t count_stamp(void)
{
    struct made m;

    make_receipt(&m);
    counted(make_stamps, &m);
    return ROUNDS;
}

static void write_receipts(void *ctx)
{
    struct made *m = ctx;
    struct sg_error err = SG_ERROR_INIT;

    for (int i = 0; i < ROUNDS; i++) {
        sg_buf_clear(&m->text);
        must(sg_receipt_format(&m->receipt, &m->text, &err), &err);
    }
}

uint64_t count_receipt_written(void)
{
    struct made m;

    make_receipt(&m);
    counted(write_receipts, &m);
    sg_buf_done(&m.text);
    return ROUNDS;
}

static void read_receipts(void *ctx)
{
    struct made *m = ctx;
    struct sg_error err = SG_ERROR_INIT;

    for (int i = 0; i < ROUNDS; i++) {
        struct sg_arena a = SG_ARENA_INIT;
        struct sg_receipt r;
        enum sg_marker_kind kind = SG_MARKER_ABSENT;
        struct sg_hash128 file;
        const char *why = NULL;

        must(sg_receipt_parse(&a, sg_buf_span(&m->text), m->receipt.node, &kind, &r, &file, &why,
                              &err),
             &err);
        must_be(kind == SG_MARKER_DONE && r.n_inputs == 2, "a receipt is read as it was written");
        sg_arena_done(&a);
    }
}

uint64_t count_receipt_read(void)
{
    struct made m;
    struct sg_error err = SG_ERROR_INIT;

    make_receipt(&m);
    must(sg_receipt_format(&m.receipt, &m.text, &err), &err);
    counted(read_receipts, &m);
    sg_buf_done(&m.text);
    return ROUNDS;
}

/* ---- cache */

static struct sg_cache *open_cache(const struct counts_world *w)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_cache *c;
    uint32_t n;

    must(sg_cache_open(w->dir, "/store", "counts", &c, &err), &err);
    for (uint32_t i = 0; i < 3; i++)
        must(sg_cache_stage(c, w->graph->stages[i].name, &w->graph->stages[i].cal, &n, &err), &err);
    return c;
}

static struct sg_cached known_of(uint32_t stage, int64_t index)
{
    return (struct sg_cached){ .ident = { .id = (uint64_t)index * 4 + stage,
                                          .len = 512,
                                          .mtime_ns = MTIME + index,
                                          .ctime_ns = MTIME + index },
                               .kind = SG_MARKER_DONE,
                               .version = (uint64_t)index * 3 + 1,
                               .recipe = { stage + 1, 7 },
                               .inputs = (uint64_t)index * 5 + 1 };
}

/* Opening, adding everything, and the file. */
static void write_cache(void *ctx)
{
    const struct counts_world *w = ctx;
    struct sg_cache *c = open_cache(w);
    const struct sg_wall later = { MTIME + SG_NS_PER_S * 3600 };

    for (uint32_t i = 0; i < 3; i++) {
        int64_t first = w->graph->stages[i].exists.first;

        for (int64_t x = first; x < first + COUNTS_HOURS; x++) {
            struct sg_cached m = known_of(i, x);

            sg_cache_add(c, i, x, &m, later);
        }
    }
    must_be(sg_cache_pays(c) && sg_cache_save(c), "the cache is saved");
    sg_cache_close(c);
}

/* The same, opening and finding everything. */
static void read_cache(void *ctx)
{
    const struct counts_world *w = ctx;
    struct sg_cache *c = open_cache(w);
    struct sg_cache_look *l = sg_cache_look_new();

    for (uint32_t i = 0; i < 3; i++) {
        int64_t first = w->graph->stages[i].exists.first;

        for (int64_t x = first; x < first + COUNTS_HOURS; x++) {
            struct sg_cached m = known_of(i, x), found;

            must_be(sg_cache_find(c, l, i, x, &m.ident, &found) && found.version == m.version,
                    "the cache knows all that it was told");
        }
    }
    sg_cache_look_free(l);
    sg_cache_close(c);
}

static uint64_t count_cache(counted_fn *before, counted_fn *fn)
{
    struct counts_world w;
    struct sg_buf text = SG_BUF_INIT;

    counts_graph(&text, "bronze", "silver", "");
    counts_world_open(&w, sg_buf_text(&text), counts_after(COUNTS_HOURS));
    if (before != NULL)
        before(&w);
    counted(fn, &w);
    counts_world_close(&w);
    sg_buf_done(&text);
    return UINT64_C(3) * COUNTS_HOURS;
}

uint64_t count_cache_written(void)
{
    return count_cache(NULL, write_cache);
}

uint64_t count_cache_read(void)
{
    return count_cache(write_cache, read_cache);
}
