#include "stagegraph/graph_text.h"

#include "stagegraph/buf.h"
#include "stagegraph/json.h"
#include "stagegraph/table.h"

static const struct sg_column columns[] = {
    { "STAGE", false, 0 },
    { "PARTITION", false, 0 },
    { "NEEDS", false, 0 },
    { "TITLE", false, 0 },
};

/* The needs as the graph file writes them; "-" for none, "(source)" for a source. */
static bool add_needs(const struct sg_stage *s, struct sg_buf *b, struct sg_error *err)
{
    sg_buf_clear(b);
    if (s->n_needs == 0)
        return sg_buf_adds(b, s->is_source ? "(source)" : "-", err);
    for (uint32_t i = 0; i < s->n_needs; i++)
        if (!sg_buf_addf(b, err, "%s%s", i > 0 ? " " : "", s->needs[i].text))
            return false;
    return true;
}

static void table_pass(struct sg_table *t, const struct sg_graph *g, bool write)
{
    struct sg_error err = SG_ERROR_INIT;
    struct sg_buf needs = SG_BUF_INIT;

    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);
        const char *cells[4] = { s->name, sg_calendar_name(&s->cal), "?",
                                 s->is_source ? NULL : s->title };

        if (add_needs(s, &needs, &err)) /* where memory is lacking: "?" */
            cells[2] = sg_buf_text(&needs);
        if (write)
            sg_table_row(t, cells);
        else
            sg_table_measure(t, cells);
    }
    sg_buf_done(&needs);
}

void sg_graph_text_write(struct sg_out *o, const struct sg_graph *g)
{
    const char *root = g->store.root;
    struct sg_table t;

    sg_out_printf(o, "Graph %s · store %s%s · a partition is %s%s · days of %s\n\n", g->name,
                  root[0] == '/' ? "file://" : "", root,
                  g->cal.unit == SG_UNIT_MINUTES || g->cal.unit == SG_UNIT_ONCE ? "" : "one ",
                  sg_calendar_name(&g->cal), sg_zone_name(g->zone));
    sg_table_init(&t, o, columns, sizeof(columns) / sizeof(columns[0]));
    table_pass(&t, g, false);
    sg_table_head(&t);
    table_pass(&t, g, true);
    sg_out_flush(o);
}

/* In quotes, for dot. */
static void write_id(struct sg_out *o, const char *text)
{
    sg_out_text(o, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            sg_out_write(o, "\\", 1);
        sg_out_write(o, text, 1);
    }
    sg_out_text(o, "\"");
}

static void write_edge(struct sg_out *o, const struct sg_graph *g, const struct sg_stage *s,
                       const struct sg_need *n)
{
    sg_out_text(o, "  ");
    write_id(o, sg_graph_stage(g, n->of)->name);
    sg_out_text(o, " -> ");
    write_id(o, s->name);
    sg_out_text(o, " [");
    if (n->kind != SG_NEED_MEETS) {
        sg_out_text(o, "label=");
        write_id(o, n->text);
        sg_out_text(o, " ");
    }
    sg_out_printf(o, "style=%s];\n", n->order_only ? "dotted" : n->optional ? "dashed" : "solid");
}

void sg_graph_text_dot(struct sg_out *o, const struct sg_graph *g)
{
    sg_out_text(o, "digraph ");
    write_id(o, g->name);
    sg_out_text(o, " {\n  rankdir=LR;\n  node [shape=box];\n");
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);

        sg_out_text(o, "  ");
        write_id(o, s->name);
        sg_out_printf(o, " [%stooltip=", s->is_source ? "shape=cylinder " : "");
        write_id(o, sg_calendar_name(&s->cal));
        sg_out_text(o, "];\n");
    }
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);

        for (uint32_t k = 0; k < s->n_needs; k++)
            write_edge(o, g, s, &s->needs[k]);
    }
    sg_out_text(o, "}\n");
    sg_out_flush(o);
}

static void add_need(struct sg_json_writer *w, const struct sg_graph *g, const struct sg_need *n)
{
    static const char *const kinds[] = {
        [SG_NEED_MEETS] = "meets",
        [SG_NEED_OFFSET] = "offset",
        [SG_NEED_LATEST] = "latest",
    };

    sg_json_begin(w, NULL, '{');
    sg_json_text(w, "stage", sg_graph_stage(g, n->of)->name);
    sg_json_text(w, "need", n->text);
    sg_json_text(w, "kind", kinds[n->kind]);
    if (n->kind == SG_NEED_OFFSET) {
        sg_json_i64(w, "first", n->lo);
        sg_json_i64(w, "last", n->hi);
    } else {
        sg_json_null(w, "first");
        sg_json_null(w, "last");
    }
    sg_json_bool(w, "optional", n->optional);
    sg_json_bool(w, "order_only", n->order_only);
    sg_json_end(w);
}

bool sg_graph_text_json(struct sg_out *o, const struct sg_graph *g, struct sg_error *err)
{
    struct sg_buf b = SG_BUF_INIT;
    struct sg_json_writer w;
    bool ok;

    sg_json_writer_init(&w, &b);
    sg_json_begin(&w, NULL, '{');
    sg_json_text(&w, "graph", g->name);
    sg_json_text(&w, "file", g->file);
    sg_json_text(&w, "store", g->store.root);
    sg_json_text(&w, "timezone", sg_zone_name(g->zone));
    sg_json_text(&w, "partition", sg_calendar_name(&g->cal));
    sg_json_begin(&w, "stages", '[');
    for (uint32_t i = 0; i < g->n_stages; i++) {
        const struct sg_stage *s = sg_graph_stage(g, g->order[i]);

        sg_json_begin(&w, NULL, '{');
        sg_json_text(&w, "name", s->name);
        sg_json_text(&w, "title", s->title);
        sg_json_bool(&w, "source", s->is_source);
        sg_json_text(&w, "partition", sg_calendar_name(&s->cal));
        sg_json_begin(&w, "needs", '[');
        for (uint32_t k = 0; k < s->n_needs; k++)
            add_need(&w, g, &s->needs[k]);
        sg_json_end(&w);
        sg_json_end(&w);
    }
    sg_json_end(&w);
    sg_json_end(&w);
    ok = sg_json_writer_end(&w, err) && sg_buf_addc(&b, '\n', err);
    if (ok)
        sg_out_write(o, b.at, b.len);
    sg_out_flush(o);
    sg_buf_done(&b);
    return ok || sg_error_wrap(err, "write the graph as JSON");
}
