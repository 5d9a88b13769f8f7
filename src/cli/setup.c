/* From words to a plan: the graph file found and read, options and profile applied, the request. */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/clock.h"
#include "stagegraph/text.h"

#include "cli.h"

void sg_cli_done(struct sg_cli *cli)
{
    sg_plan_free(cli->plan);
    sg_code_cache_free(cli->code);
    sg_store_free(cli->store);
    sg_yarn_free(cli->yarn);
    sg_graph_free(cli->graph);
    sg_arena_done(&cli->arena);
}

int sg_exit_of(const struct sg_error *err)
{
    static const int statuses[] = {
        [SG_ERROR_NONE] = SG_EXIT_BUG,      [SG_ERROR_USAGE] = SG_EXIT_USAGE,
        [SG_ERROR_GRAPH] = SG_EXIT_USAGE,   [SG_ERROR_STORE] = SG_EXIT_STORE,
        [SG_ERROR_AWAY] = SG_EXIT_STORE,    [SG_ERROR_SYSTEM] = SG_EXIT_SYSTEM,
        [SG_ERROR_MEMORY] = SG_EXIT_SYSTEM, [SG_ERROR_LIMIT] = SG_EXIT_SYSTEM,
        [SG_ERROR_BUG] = SG_EXIT_BUG,
    };

    return statuses[err->code];
}

/* ---- the graph file ---- */

static bool only_graph(struct sg_arena *a, const char **ret, struct sg_error *err)
{
    glob_t g;
    bool ok = false;

    if (glob("graphs/*.ini", 0, NULL, &g) != 0)
        return sg_error_set(
            err, SG_ERROR_USAGE, 0,
            "no graph file: neither stagegraph.ini nor graphs/*.ini is here; name one "
            "with -f GRAPH or $STAGEGRAPH_GRAPH");
    if (g.gl_pathc == 1) {
        *ret = sg_arena_text(a, g.gl_pathv[0], err);
        ok = *ret != NULL;
    } else {
        sg_error_set(err, SG_ERROR_USAGE, 0,
                     "%zu graph files in graphs/: choose one with -f GRAPH (%s, %s%s)", g.gl_pathc,
                     g.gl_pathv[0], g.gl_pathv[1], g.gl_pathc > 2 ? ", …" : "");
    }
    globfree(&g);
    return ok;
}

static bool find_graph(struct sg_cli *cli, const char **ret, struct sg_error *err)
{
    /* within a job the variable is the graph's name, for the job to read */
    const char *env = getenv("STAGEGRAPH_NONCE") ? NULL : getenv("STAGEGRAPH_GRAPH");

    if (cli->options.value[SG_OPT_GRAPH])
        *ret = cli->options.value[SG_OPT_GRAPH];
    else if (env && *env)
        *ret = env;
    else if (access("stagegraph.ini", F_OK) == 0)
        *ret = "stagegraph.ini";
    else
        return only_graph(&cli->arena, ret, err);
    return true;
}

void sg_cli_print_diags(const struct sg_diags *d)
{
    for (size_t i = 0; i < d->n; i++)
        (void)fprintf(stderr, "%s%s\n", d->items[i].warning ? "warning: " : "", d->items[i].text);
    if (d->lost)
        (void)fprintf(stderr, "there was more, and no memory to say it\n");
}

const char *sg_cli_now(const struct sg_cli *cli)
{
    const char *env = getenv("STAGEGRAPH_NOW"), *option = cli->options.value[SG_OPT_NOW];

    return option ? option : env && *env ? env : NULL;
}

bool sg_cli_load(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    bool ok;

    if (!find_graph(cli, &cli->graph_path, err))
        return false;
    ok = sg_graph_open(cli->graph_path, sg_cli_now(cli), &cli->graph, &diags, err);
    if ((!ok && !cli->silent) || cli->command == &sg_cmd_check)
        sg_cli_print_diags(&diags);
    sg_diags_done(&diags);
    return ok;
}

/* ---- options, profile, params ---- */

static bool take_now(struct sg_cli *cli, struct sg_error *err)
{
    const char *text = sg_cli_now(cli);
    struct sg_interval at;

    if (!text) {
        cli->now_s = sg_wall_now().ns / SG_NS_PER_S;
        return true;
    }
    if (!sg_time_parse(text, cli->graph->zone, &at))
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "%s%s: expected a date or a time like 2024-01-02T05:30Z",
                            cli->options.value[SG_OPT_NOW] ? "--now " : "$STAGEGRAPH_NOW = ", text);
    cli->now_s = at.start_s;
    return true;
}

bool sg_cli_configure(struct sg_cli *cli, const char *profile, bool lenient, struct sg_error *err)
{
    struct sg_diags diags = SG_DIAGS_INIT;
    struct sg_options *o = &cli->options;
    const struct sg_profile *p = NULL;
    bool ok;

    if (o->value[SG_OPT_PROFILE])
        profile = o->value[SG_OPT_PROFILE];
    if (profile) {
        p = sg_graph_find_profile(cli->graph, profile);
        if (!p) {
            const char *near = sg_graph_near_profile(cli->graph, profile);

            return sg_error_set(err, SG_ERROR_USAGE, 0, "%s has no [profile %s]%s%s%s",
                                cli->graph_path, profile, near ? "; did you mean " : "",
                                near ? near : "", near ? "?" : "");
        }
    }
    cli->profile = profile;
    ok = sg_graph_configure(cli->graph, profile, o->sets, o->n_sets, o->params, o->n_params,
                            lenient, &diags, err);
    if (!ok || diags.n_errors > 0)
        sg_cli_print_diags(&diags);
    sg_diags_done(&diags);
    return ok && (!p || sg_options_profile(o, &cli->arena, cli->graph, p, err)) &&
           sg_options_check(o, err) && take_now(cli, err);
}

static const char *getenv_text(const char *name)
{
    return getenv(name);
}

bool sg_cli_open_store(struct sg_cli *cli, struct sg_error *err)
{
    const struct sg_store_settings *s = &cli->graph->store;
    const char *user = getenv("HADOOP_USER_NAME");
    struct sg_store_config c = { .root = s->root,
                                 .sync = s->sync,
                                 .conf_dir = getenv("HADOOP_CONF_DIR"),
                                 .user = s->user         ? s->user
                                         : user && *user ? user
                                                         : NULL,
                                 .auth = s->auth,
                                 .ca = s->ca,
                                 .receipts = s->receipts,
                                 .state = cli->graph->state,
                                 .connections = s->connections,
                                 .deadline_s = s->deadline_s,
                                 .lease_s = s->lease_s,
                                 .getenv = getenv_text };
    char *module = NULL;

    if (sg_store_is_remote(s->root) && !sg_cli_find(cli, "stagegraph-webhdfs.so", &module, err))
        return false;
    c.module = module;
    cli->code = sg_code_cache_new(err);
    return cli->code && sg_store_open(&c, &cli->store, err);
}

/* As Hadoop's own clients do, $YARN_CONF_DIR before $HADOOP_CONF_DIR. */
static const char *yarn_directory(void)
{
    const char *dir = getenv("YARN_CONF_DIR");

    return dir && *dir ? dir : getenv("HADOOP_CONF_DIR");
}

bool sg_cli_open_yarn(struct sg_cli *cli, int64_t deadline_s, struct sg_error *err)
{
    const struct sg_store_settings *s = &cli->graph->store;
    const char *user = getenv("HADOOP_USER_NAME");
    struct sg_yarn_config c = { .resource_manager = s->resource_manager,
                                .conf_dir = yarn_directory(),
                                .user = s->user         ? s->user
                                        : user && *user ? user
                                                        : NULL,
                                .auth = s->auth,
                                .ca = s->ca,
                                .deadline_s = deadline_s,
                                .getenv = getenv_text };
    char *module = NULL;

    if (!sg_yarn_may_be(&c))
        return true;
    if (!sg_cli_find(cli, "stagegraph-webhdfs.so", &module, err))
        return false;
    c.module = module;
    return sg_yarn_open(&c, &cli->yarn, err);
}

/* ---- the request ---- */

static bool parse_date(struct sg_cli *cli, const char *option, const char *text,
                       struct sg_interval *ret, struct sg_error *err)
{
    if (sg_time_parse(text, cli->graph->zone, ret))
        return true;
    return sg_error_set(
        err, SG_ERROR_USAGE, 0,
        "%s %s: expected a date (2024-01-02), a time (2024-01-02T05, …T05:30Z), a week "
        "(2024-W03) or a month (2024-01)",
        option, text);
}

static bool take_range(struct sg_cli *cli, struct sg_request *r, struct sg_error *err)
{
    const char *const *v = cli->options.value;
    struct sg_interval at;

    if ((v[SG_OPT_DATE] != NULL) + (v[SG_OPT_LAST] != NULL) + (v[SG_OPT_FROM] || v[SG_OPT_TO]) > 1)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "--date, --last and --from/--to exclude each other");
    r->range = (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX };
    if (v[SG_OPT_DATE]) {
        if (!parse_date(cli, "--date", v[SG_OPT_DATE], &at, err))
            return false;
        if (at.start_s == at.end_s)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "--date %s: %s", v[SG_OPT_DATE],
                                strchr(v[SG_OPT_DATE], 'T')
                                    ? "expected a date, not a time (--from and --to take times)"
                                    : "the graph's time zone skipped that date");
        r->range = at;
        r->has_range = true;
    }
    if (v[SG_OPT_LAST]) {
        int64_t s;

        if (!sg_duration_parse(v[SG_OPT_LAST], &s) || s <= 0)
            return sg_error_set(err, SG_ERROR_USAGE, 0,
                                "--last %s: expected a duration like 24h or 7d", v[SG_OPT_LAST]);
        r->range = (struct sg_interval){ cli->now_s - s, cli->now_s };
        r->has_range = true;
    }
    if (v[SG_OPT_FROM]) {
        if (!parse_date(cli, "--from", v[SG_OPT_FROM], &at, err))
            return false;
        r->range.start_s = at.start_s;
        r->has_range = true;
    }
    if (v[SG_OPT_TO]) {
        if (!parse_date(cli, "--to", v[SG_OPT_TO], &at, err))
            return false;
        r->range.end_s = at.end_s;
        r->has_range = true;
    }
    if (r->has_range && r->range.start_s >= r->range.end_s)
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "the range is empty: --from %s is not before --to %s",
                            v[SG_OPT_FROM] ? v[SG_OPT_FROM] : "", v[SG_OPT_TO] ? v[SG_OPT_TO] : "");
    return true;
}

/* The side of a stage that was given by --STAGE-start-date or --STAGE-end-date, if it was. */
static bool take_side(struct sg_cli *cli, const struct sg_stage *s, const char *which,
                      const char *text, bool end, struct sg_interval *ret, struct sg_error *err)
{
    const char *option;
    struct sg_interval at;

    if (!text)
        return true;
    option = sg_arena_printf(&cli->arena, err, "--%s-%s-date", s->name, which);
    if (!option || !parse_date(cli, option, text, &at, err))
        return false;
    if (end)
        ret->end_s = at.end_s;
    else
        ret->start_s = at.start_s;
    return true;
}

/* --X-start-date and --X-end-date narrow a stage. Without another range (a window is one) their
 * hull is the range. */
static bool take_narrow(struct sg_cli *cli, struct sg_request *r, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    struct sg_interval hull = { SG_TIME_MAX, SG_TIME_MIN };
    uint32_t n = cli->graph->n_stages;

    if (!o->stage_start && !o->stage_end)
        return true;
    r->narrow = SG_ARENA_NEW(&cli->arena, n, struct sg_interval, err);
    r->narrowed = SG_ARENA_NEW(&cli->arena, n, bool, err);
    if (!r->narrow || !r->narrowed)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const char *start = o->stage_start ? o->stage_start[i] : NULL;
        const char *end = o->stage_end ? o->stage_end[i] : NULL;
        const struct sg_stage *s = &cli->graph->stages[i];

        r->narrow[i] = (struct sg_interval){ SG_TIME_MIN, SG_TIME_MAX };
        if (!start && !end)
            continue;
        r->narrowed[i] = true;
        if (!take_side(cli, s, "start", start, false, &r->narrow[i], err) ||
            !take_side(cli, s, "end", end, true, &r->narrow[i], err))
            return false;
        if (r->narrow[i].start_s >= r->narrow[i].end_s)
            return sg_error_set(err, SG_ERROR_USAGE, 0,
                                "the range of %s is empty: --%s-start-date %s is not before "
                                "--%s-end-date %s",
                                s->name, s->name, start, s->name, end);
        if (r->narrow[i].start_s < hull.start_s)
            hull.start_s = r->narrow[i].start_s;
        if (r->narrow[i].end_s > hull.end_s)
            hull.end_s = r->narrow[i].end_s;
    }
    if (!r->has_range && !o->value[SG_OPT_WINDOW]) {
        r->has_range = true;
        r->range = hull;
    }
    return true;
}

static bool stage_names(struct sg_cli *cli, const char *option, const char *list, bool **ret,
                        struct sg_error *err)
{
    const char *at = list;
    bool any = false;

    if (!*ret)
        *ret = SG_ARENA_NEW(&cli->arena, cli->graph->n_stages, bool, err);
    if (!*ret)
        return false;
    while (*(at += strspn(at, ", \t\n"))) {
        size_t n = strcspn(at, ", \t\n");
        const char *name = sg_arena_copy(&cli->arena, (struct sg_span){ at, n }, err);
        const struct sg_stage *s = name ? sg_graph_find_stage(cli->graph, name) : NULL;

        if (!name)
            return false;
        if (!s || s->is_source) {
            const char *near = sg_graph_near_stage(cli->graph, name);

            return sg_error_set(err, SG_ERROR_USAGE, 0, "%s: %s is %s%s%s%s", option, name,
                                s ? "a source" : "no stage", !s && near ? "; did you mean " : "",
                                !s && near ? near : "", !s && near ? "?" : "");
        }
        (*ret)[s->id.i] = any = true;
        at += n;
    }
    return any || sg_error_set(err, SG_ERROR_USAGE, 0, "%s: name a stage", option);
}

static bool is_given(const struct sg_options *o, enum sg_option_id id)
{
    return o->value[id] && !o->from_profile[id];
}

static bool take_nodes(struct sg_cli *cli, struct sg_request *r, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;

    if (o->n_words == 0)
        return true;
    r->named = SG_ARENA_NEW(&cli->arena, o->n_words, struct sg_named_node, err);
    if (!r->named)
        return false;
    for (size_t i = 0; i < o->n_words; i++) {
        const struct sg_stage *s;
        int64_t index = 0;
        bool whole = false;

        if (!sg_node_parse(cli->graph, o->words[i], &s, &index, &whole, err))
            return false;
        if (s->is_source)
            return sg_error_set(err, SG_ERROR_USAGE, 0, "%s: a source is not made here",
                                o->words[i]);
        if (whole) {
            if (!stage_names(cli, "run", s->name, &r->upto, err))
                return false;
            continue;
        }
        r->named[r->n_named++] = (struct sg_named_node){ s->id, index };
    }
    if (r->upto && r->n_named > 0)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "name nodes, or stages, not both at once");
    if (r->n_named > 0 && (is_given(o, SG_OPT_FROM) || is_given(o, SG_OPT_TO) ||
                           is_given(o, SG_OPT_DATE) || is_given(o, SG_OPT_LAST) || o->dates_given))
        return sg_error_set(err, SG_ERROR_USAGE, 0,
                            "name nodes, or give a range, not both at once");
    return true;
}

static bool take_window(struct sg_cli *cli, struct sg_request *r, struct sg_error *err)
{
    const struct sg_options *o = &cli->options;
    int64_t window = sg_options_number(o, SG_OPT_WINDOW, 0);
    int64_t lookback = sg_options_number(o, SG_OPT_LOOKBACK, 0);

    if (r->has_range || r->n_named > 0) {
        /* a range or nodes of the command line beat the profile's window */
        if (window && !o->from_profile[SG_OPT_WINDOW])
            return sg_error_set(err, SG_ERROR_USAGE, 0, "--window and %s exclude each other",
                                r->has_range ? "a range" : "names of nodes");
        return true;
    }
    r->window = (int32_t)window;
    r->lookback = (int32_t)lookback;
    if (lookback > 0 && window == 0)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "--lookback needs a --window");
    return true;
}

bool sg_cli_request(struct sg_cli *cli, struct sg_error *err)
{
    struct sg_request *r = &cli->request;
    const char *const *v = cli->options.value;

    sg_request_init(r, cli->now_s);
    if (!take_range(cli, r, err) || !take_narrow(cli, r, err) || !take_nodes(cli, r, err) ||
        !take_window(cli, r, err))
        return false;
    if (v[SG_OPT_ONLY] && !stage_names(cli, "--only", v[SG_OPT_ONLY], &r->only, err))
        return false;
    if (v[SG_OPT_UPTO] && !stage_names(cli, "--upto", v[SG_OPT_UPTO], &r->upto, err))
        return false;
    if (v[SG_OPT_FORCE] && !*v[SG_OPT_FORCE])
        r->force_all = true;
    else if (v[SG_OPT_FORCE] && !stage_names(cli, "--force", v[SG_OPT_FORCE], &r->force, err))
        return false;
    if (v[SG_OPT_STALE] && !sg_reasons_parse(v[SG_OPT_STALE], &r->stale, err))
        return sg_error_wrap(err, "--stale");
    if (v[SG_OPT_STALE] && r->stale == 0)
        return sg_error_set(err, SG_ERROR_USAGE, 0, "--stale: name a reason");
    r->with_needs = v[SG_OPT_WITH_NEEDS] != NULL;
    r->wait = v[SG_OPT_WAIT] != NULL;
    r->newest_first = v[SG_OPT_ORDER] && strcmp(v[SG_OPT_ORDER], "newest") == 0;
    return true;
}

bool sg_cli_find(struct sg_cli *cli, const char *name, char **ret, struct sg_error *err)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (n < 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno, "find this program in /proc");
    self[n] = '\0';
    slash = strrchr(self, '/');
    *slash = '\0';
    *ret = sg_arena_printf(&cli->arena, err, "%s/%s", self, name);
    if (!*ret || access(*ret, R_OK) == 0)
        return *ret != NULL;
    *ret = sg_arena_printf(&cli->arena, err, "%s/../libexec/stagegraph/%s", self, name);
    if (!*ret)
        return false;
    if (access(*ret, R_OK) != 0)
        return sg_error_set(err, SG_ERROR_SYSTEM, errno,
                            "%s is neither in %s nor %s: is the installation whole?", name, self,
                            *ret);
    return true;
}

bool sg_cli_make_plan(struct sg_cli *cli, const char *own_run, struct sg_error *err)
{
    struct sg_plan_config c = { .graph = cli->graph,
                                .store = cli->store,
                                .code = cli->code,
                                .request = &cli->request,
                                .own_run = own_run };

    return sg_plan_new(&c, &cli->plan, err);
}
