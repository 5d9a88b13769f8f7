#include "stagegraph/keys.h"

#include <string.h>

#include "stagegraph/graph.h"
#include "stagegraph/text.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const struct sg_section_row sections[] = {
    [SG_SECTION_GRAPH] = { "graph", false, "the graph as a whole, and defaults for its stages" },
    [SG_SECTION_STORE] = { "store", false, "where the data lie" },
    [SG_SECTION_YARN] = { "yarn", false, "the cluster that jobs run on" },
    [SG_SECTION_SOURCE] = { "source", true, "data made by somebody else" },
    [SG_SECTION_STAGE] = { "stage", true, "a kind of work, partitioned in time" },
    [SG_SECTION_PARAM] = { "param", true, "a value that commands use and runs may set" },
    [SG_SECTION_POOL] = { "pool", true, "a limit that stages share, over all runs" },
    [SG_SECTION_PROFILE] = { "profile", true, "a named set of params, stage keys, run options" },
};

const struct sg_section_row *sg_section_row(enum sg_section s)
{
    return &sections[s];
}

enum sg_section sg_section_find(const char *kind)
{
    for (enum sg_section s = 0; s < SG_SECTION_COUNT; s++) {
        if (strcmp(sections[s].kind, kind) == 0)
            return s;
    }
    return SG_SECTION_COUNT;
}

/* The order of choices is that of the enums in graph.h; of two, the second sets the flag. */
static const char *const receipts[] = { "auto", "attribute", "content", NULL };
static const char *const auths[] = { "auto", "simple", "kerberos", NULL };
static const char *const identities[] = { "listing", "content", "marker", NULL };
static const char *const checks[] = { "written", "rewritten", "exists", "none", NULL };
static const char *const empties[] = { "fail", "ok", NULL };
static const char *const prepares[] = { "keep", "delete", NULL };
static const char *const versions[] = { "content", "run", "job", NULL };
static const char *const types[] = { "string", "bool", "int", "date", NULL };
static const char *const orders[] = { "newest", "oldest", NULL };
static const char *const colors[] = { "auto", "always", "never", NULL };
static const char *const reasons[] = { "forced", "interrupted", "missing", "damaged",
                                       "code",   "command",     "params",  "version",
                                       "input",  "upstream",    NULL };

#define AT(type, field)                                                                            \
    .offset = offsetof(struct type, field), .width = sizeof(((struct type *)0)->field)
#define BOUNDS(least, most) .min = (least), .max = (most)
#define YEARS               (INT64_C(100) * 366 * 86400)
#define BYTES               (INT64_C(1) << 60)

/* clang-format off */
static const struct sg_key keys[] = {
    { SG_SECTION_GRAPH, "name", SG_KEY_FILENAME, AT(sg_graph, name),
      .help = "its name in headings, the history and ${graph}; default: the name of the file" },
    { SG_SECTION_GRAPH, "start", SG_KEY_TIME, AT(sg_graph, life.start_s),
      .help = "the first partition there is; stages may begin later or earlier" },
    { SG_SECTION_GRAPH, "end", SG_KEY_TIME, AT(sg_graph, life.end_s),
      .help = "exclusive: no partition begins here or later; empty: it goes on" },
    { SG_SECTION_GRAPH, "partition", SG_KEY_CALENDAR, "hour", AT(sg_graph, cal),
      .help = "the calendar of stages and sources that name none, and of windows" },
    { SG_SECTION_GRAPH, "timezone", SG_KEY_ZONE, "UTC",
      .help = "the IANA name of the zone where days, weeks and months begin" },
    { SG_SECTION_GRAPH, "delay", SG_KEY_DURATION, "5m", BOUNDS(0, YEARS), AT(sg_graph, delay_s),
      .help = "a partition is due this long after its end" },
    { SG_SECTION_GRAPH, "state", SG_KEY_PATH, ".stagegraph", AT(sg_graph, state),
      .help = "the directory of history, cache and logs; relative to the graph file" },
    { SG_SECTION_GRAPH, "jobs", SG_KEY_INT, "1", BOUNDS(1, 100000), AT(sg_graph, jobs),
      .help = "how many jobs run at once; the default of -j" },
    { SG_SECTION_GRAPH, "log_keep", SG_KEY_DURATION, "30d", BOUNDS(0, YEARS),
      AT(sg_graph, log_keep_s), .help = "logs of jobs are kept this long" },
    { SG_SECTION_GRAPH, "log_limit", SG_KEY_SIZE, "1g", BOUNDS(0, BYTES), AT(sg_graph, log_limit),
      .help = "and at most this much of them" },

    { SG_SECTION_STORE, "root", SG_KEY_ROOT, .required = true, AT(sg_store_settings, root),
      .help = "hdfs://, webhdfs://, swebhdfs:// or file:// URI, or a path; a relative one starts at "
              "the graph file" },
    { SG_SECTION_STORE, "sync", SG_KEY_BOOL, "yes", AT(sg_store_settings, sync),
      .help = "durable against power loss, not only against crashes" },
    { SG_SECTION_STORE, "receipts", SG_KEY_CHOICE, "auto", .choices = receipts,
      AT(sg_store_settings, receipts),
      .help = "where receipts are kept: the marker's content, or on HDFS its extended attribute" },
    { SG_SECTION_STORE, "connections", SG_KEY_INT, "16", BOUNDS(1, 1000),
      AT(sg_store_settings, connections), .help = "connections to the NameNode at most" },
    { SG_SECTION_STORE, "deadline", SG_KEY_DURATION, "2m", BOUNDS(1, YEARS),
      AT(sg_store_settings, deadline_s), .help = "for one operation with its retries" },
    { SG_SECTION_STORE, "lease", SG_KEY_DURATION, "5m", BOUNDS(5, YEARS),
      AT(sg_store_settings, lease_s), .help = "age of a heartbeat that counts as dead" },
    { SG_SECTION_STORE, "auth", SG_KEY_CHOICE, "auto", .choices = auths,
      AT(sg_store_settings, auth), .help = "how to authenticate to HDFS" },
    { SG_SECTION_STORE, "user", SG_KEY_TEXT, AT(sg_store_settings, user),
      .help = "the user on a cluster with simple authentication" },
    { SG_SECTION_STORE, "ca", SG_KEY_PATH, AT(sg_store_settings, ca),
      .help = "a file with the certificates that swebhdfs trusts" },

    { SG_SECTION_YARN, "resource_manager", SG_KEY_TEXT, AT(sg_store_settings, resource_manager),
      .help = "its HTTP address, or those of a pair; none: it is not asked; default: from "
              "yarn-site.xml" },

    { SG_SECTION_SOURCE, "title", SG_KEY_TEXT, AT(sg_stage, title), .profile = true,
      .help = "a name for people" },
    { SG_SECTION_SOURCE, "partition", SG_KEY_CALENDAR, AT(sg_stage, cal),
      .help = "its calendar; default: the graph's" },
    { SG_SECTION_SOURCE, "path", SG_KEY_TEMPLATE, .required = true, AT(sg_stage, path),
      .help = "where a partition lies below the root" },
    { SG_SECTION_SOURCE, "marker", SG_KEY_FILENAME, AT(sg_stage, marker),
      .help = "the file in it that says complete; without one the path itself must exist" },
    { SG_SECTION_SOURCE, "identity", SG_KEY_CHOICE, "listing", .choices = identities,
      AT(sg_stage, identity),
      .help = "what a version is made of: names and lengths, contents, or the marker's content" },
    { SG_SECTION_SOURCE, "settle", SG_KEY_DURATION, "5m", BOUNDS(0, YEARS), AT(sg_stage, settle_s),
      .profile = true,
      .help = "without a marker it is there when its newest file is this old" },
    { SG_SECTION_SOURCE, "start", SG_KEY_TIME, AT(sg_stage, life.start_s),
      .help = "the first partition there is; default: the graph's" },
    { SG_SECTION_SOURCE, "end", SG_KEY_TIME, AT(sg_stage, life.end_s),
      .help = "exclusive; default: the graph's" },
    { SG_SECTION_SOURCE, "delay", SG_KEY_DURATION, BOUNDS(0, YEARS), AT(sg_stage, delay_s),
      .profile = true,
      .help = "a partition is due this long after its end; default: the graph's" },

    { SG_SECTION_STAGE, "title", SG_KEY_TEXT, AT(sg_stage, title), .profile = true,
      .help = "a name for people; default: the name in upper case" },
    { SG_SECTION_STAGE, "partition", SG_KEY_CALENDAR, AT(sg_stage, cal),
      .help = "5m 10m 15m 30m hour day week month once; default: the graph's" },
    { SG_SECTION_STAGE, "needs", SG_KEY_NEEDS, .stamp = true,
      .help = "stages and sources: X, X@-1, X@-23..0, X@latest; behind it ? for optional, before "
              "it | for order only" },
    { SG_SECTION_STAGE, "command", SG_KEY_COMMAND, .required = true, .stamp = true,
      .profile = true, AT(sg_stage, command),
      .help = "what makes a partition; split into words without a shell" },
    { SG_SECTION_STAGE, "options", SG_KEY_COMMAND, .profile = true, AT(sg_stage, options),
      .help = "words for ${options}, free to change: they are not in the stamp" },
    { SG_SECTION_STAGE, "output", SG_KEY_TEMPLATE, .required = true, AT(sg_stage, path),
      .help = "where a partition lies below the root; no two nodes share one, none lies in another "
              "stage's" },
    { SG_SECTION_STAGE, "marker", SG_KEY_FILENAME, "_SUCCESS", AT(sg_stage, marker),
      .help = "the file in it that says complete" },
    { SG_SECTION_STAGE, "code", SG_KEY_PATTERNS, .stamp = true, .profile = true,
      .help = "files whose content the result depends on, relative to workdir: *, ?, ** (any depth)" },
    { SG_SECTION_STAGE, "version", SG_KEY_TEXT, "", .stamp = true, .profile = true,
      AT(sg_stage, version), .help = "any text; another one makes everything stale" },
    { SG_SECTION_STAGE, "timeout", SG_KEY_DURATION, "1h", BOUNDS(1, YEARS), .profile = true,
      AT(sg_stage, timeout_s), .help = "a job that runs longer is ended" },
    { SG_SECTION_STAGE, "grace", SG_KEY_DURATION, "10s", BOUNDS(0, YEARS), .profile = true,
      AT(sg_stage, grace_s), .help = "between TERM and KILL" },
    { SG_SECTION_STAGE, "retries", SG_KEY_INT, "0", BOUNDS(0, 1000), .profile = true,
      AT(sg_stage, retries), .help = "how often a failed node is tried again" },
    { SG_SECTION_STAGE, "backoff", SG_KEY_DURATION, "30s", BOUNDS(0, YEARS), .profile = true,
      AT(sg_stage, backoff_s), .help = "before the first retry; doubles, at most 10m" },
    { SG_SECTION_STAGE, "pool", SG_KEY_POOL, .profile = true,
      .help = "the [pool] whose limits its jobs share" },
    { SG_SECTION_STAGE, "memory", SG_KEY_SIZE, BOUNDS(0, BYTES), .profile = true,
      AT(sg_stage, memory), .help = "what a job takes of its pool's memory, else of the machine's" },
    { SG_SECTION_STAGE, "batch", SG_KEY_BATCH, "1", BOUNDS(1, 1000000), .profile = true,
      .help = "contiguous partitions in one process at most: a number, or a duration (7d)" },
    { SG_SECTION_STAGE, "check", SG_KEY_CHECK, "written", .choices = checks, .stamp = true,
      .profile = true, .help = "some data file, or all, must be of this attempt; or there; nothing; or a command that "
              "exits with 0" },
    { SG_SECTION_STAGE, "empty", SG_KEY_CHOICE, "fail", .choices = empties, .profile = true,
      AT(sg_stage, empty_ok), .help = "whether an output without a data file is fine" },
    { SG_SECTION_STAGE, "prepare", SG_KEY_CHOICE, "keep", .choices = prepares, .profile = true,
      AT(sg_stage, prepare_delete), .help = "what happens to an old output before the command" },
    { SG_SECTION_STAGE, "output_version", SG_KEY_CHOICE, "content", .choices = versions,
      .profile = true, AT(sg_stage, output_version),
      .help = "what users of the output compare: its data files; each run is another; what the job "
              "writes to $STAGEGRAPH_VERSION_FILE" },
    { SG_SECTION_STAGE, "version_limit", SG_KEY_SIZE, "50g", BOUNDS(0, BYTES), .profile = true,
      AT(sg_stage, version_limit), .help = "above it an output's version is that of the run, with a notice" },
    { SG_SECTION_STAGE, "keep_marker", SG_KEY_BOOL, "no", .profile = true,
      AT(sg_stage, keep_marker), .help = "leave a marker (in state running) while the job runs" },
    { SG_SECTION_STAGE, "partial", SG_KEY_BOOL, "no", .profile = true, AT(sg_stage, partial),
      .help = "may run before its interval is over" },
    { SG_SECTION_STAGE, "partial_marker", SG_KEY_FILENAME, "_PARTIAL",
      AT(sg_stage, partial_marker), .help = "takes the marker's place until then" },
    { SG_SECTION_STAGE, "exclusive", SG_KEY_BOOL, "no", .profile = true, AT(sg_stage, exclusive),
      .help = "one attempt of the stage at a time, over all runs" },
    { SG_SECTION_STAGE, "breaker", SG_KEY_INT, "3", BOUNDS(0, 1000000), .profile = true,
      AT(sg_stage, breaker), .help = "this many failures in a row stop the stage for the run; 0: never" },
    { SG_SECTION_STAGE, "workdir", SG_KEY_PATH, "", .profile = true, AT(sg_stage, workdir),
      .help = "where commands run and code is looked for; default: the graph file's directory" },
    { SG_SECTION_STAGE, "start", SG_KEY_TIME, AT(sg_stage, life.start_s),
      .help = "the first partition there is; default: the graph's" },
    { SG_SECTION_STAGE, "end", SG_KEY_TIME, AT(sg_stage, life.end_s),
      .help = "exclusive; default: the graph's" },
    { SG_SECTION_STAGE, "delay", SG_KEY_DURATION, BOUNDS(0, YEARS), .profile = true,
      AT(sg_stage, delay_s),
      .help = "a partition is due this long after its end; default: the graph's" },
    { SG_SECTION_STAGE, "env.NAME", SG_KEY_TEMPLATE, .stamp = true, .profile = true,
      .help = "a variable for the command's environment" },

    { SG_SECTION_PARAM, "type", SG_KEY_CHOICE, "string", .choices = types, AT(sg_param, type),
      .help = "of its values; in commands a bool is true or empty" },
    { SG_SECTION_PARAM, "default", SG_KEY_TEXT, .help = "its value when nothing sets it" },
    { SG_SECTION_PARAM, "choices", SG_KEY_LIST, .help = "the values it may have" },
    { SG_SECTION_PARAM, "required", SG_KEY_BOOL, "no", AT(sg_param, required),
      .help = "a run must set it" },
    { SG_SECTION_PARAM, "help", SG_KEY_TEXT, "", AT(sg_param, help),
      .help = "what it means, for --help" },
    { SG_SECTION_PARAM, "stamp", SG_KEY_BOOL, "yes", AT(sg_param, stamp),
      .help = "another value makes what was built with it stale" },

    { SG_SECTION_POOL, "size", SG_KEY_INT, BOUNDS(1, 100000), AT(sg_pool, size),
      .help = "jobs at once" },
    { SG_SECTION_POOL, "memory", SG_KEY_SIZE, BOUNDS(1, BYTES), AT(sg_pool, memory),
      .help = "the sum of its jobs' memory" },

    { SG_SECTION_PROFILE, "from", SG_KEY_TIME,
      .help = "the range begins here: a date (local), a time (UTC), a week or a month" },
    { SG_SECTION_PROFILE, "to", SG_KEY_TIME,
      .help = "and ends here: a date, week or month is included, a time is not" },
    { SG_SECTION_PROFILE, "date", SG_KEY_TIME, .help = "that date, week or month alone" },
    { SG_SECTION_PROFILE, "last", SG_KEY_DURATION, BOUNDS(1, YEARS),
      .help = "the time before now, like 24h or 7d" },
    { SG_SECTION_PROFILE, "window", SG_KEY_INT, BOUNDS(1, 10000000),
      .help = "the newest due partitions of the graph's calendar, that many" },
    { SG_SECTION_PROFILE, "lookback", SG_KEY_INT, BOUNDS(0, 10000000),
      .help = "and look again at that many before the window" },
    { SG_SECTION_PROFILE, "order", SG_KEY_CHOICE, .choices = orders,
      .help = "which of the nodes that are ready run first (oldest)" },
    { SG_SECTION_PROFILE, "stale", SG_KEY_CHOICES, .choices = reasons,
      .help = "run a node only if one of these reasons holds; the rest is reported" },
    { SG_SECTION_PROFILE, "only", SG_KEY_STAGES,
      .help = "these stages alone; their inputs are taken as they are" },
    { SG_SECTION_PROFILE, "upto", SG_KEY_STAGES, .help = "these stages and all that they need" },
    { SG_SECTION_PROFILE, "with_needs", SG_KEY_BOOL,
      .help = "also make required needs that lie outside of the range and are not there" },
    { SG_SECTION_PROFILE, "force", SG_KEY_BOOL_OR_STAGES,
      .help = "run what is fresh too: all of it, or the named stages" },
    { SG_SECTION_PROFILE, "jobs", SG_KEY_INT, BOUNDS(1, 100000),
      .help = "jobs at once (the graph's, or 1)" },
    { SG_SECTION_PROFILE, "keep_going", SG_KEY_INT, BOUNDS(0, 1000000),
      .help = "stop after that many failed nodes, 0: never (0)" },
    { SG_SECTION_PROFILE, "wait", SG_KEY_BOOL,
      .help = "wait for nodes that another run holds (else they are left out)" },
    { SG_SECTION_PROFILE, "log", SG_KEY_BOOL, .help = "write a log file a job" },
    { SG_SECTION_PROFILE, "no_log", SG_KEY_BOOL, .help = "write no log files" },
    { SG_SECTION_PROFILE, "dry_run", SG_KEY_BOOL, .help = "show what would be done, do nothing" },
    { SG_SECTION_PROFILE, "quiet", SG_KEY_BOOL, .help = "failures and results alone" },
    { SG_SECTION_PROFILE, "verbose", SG_KEY_BOOL, .help = "more: reasons, timings" },
    { SG_SECTION_PROFILE, "color", SG_KEY_CHOICE, .choices = colors,
      .help = "colours (auto; NO_COLOR is heeded)" },
};

static const struct sg_var vars[] = {
    { "start", .help = "the beginning, RFC 3339 in UTC" },
    { "end", .help = "the end, exclusive, RFC 3339 in UTC" },
    { "start_epoch", .in_path = true, .help = "the beginning in seconds since 1970" },
    { "end_epoch", .in_path = true, .help = "the end in seconds since 1970" },
    { "ds", .in_path = true, .help = "the first day, YYYY-MM-DD" },
    { "end_ds", .in_path = true, .help = "the last day, inclusive" },
    { "count", .help = "how many partitions" },
    { "partitions", .help = "a file with a label a line" },
    { "root", .help = "the root of the store" },
    { "output_root", .help = "the output before its first variable, cut back to the last /" },
    { "stage", .in_path = true, .help = "the name of the stage" },
    { "graph", .in_path = true, .help = "the name of the graph" },
    { "attempt", .help = "the number of the try, from 1" },
    { "run_id", .help = "the id of the run" },
    { "state_dir", .help = "the directory of history, cache and logs" },
    { "yarn_tag", .help = "the tag by which its applications on YARN are found" },
    { "output", .of_one = true, .help = "the output of the partition" },
    { "partition", .of_one = true, .in_path = true, .help = "its label" },
    { "node", .of_one = true, .in_path = true, .help = "stage@label" },
    { "YYYY", .of_one = true, .in_path = true, .help = "year of its first day" },
    { "MM", .of_one = true, .in_path = true, .help = "month of its first day" },
    { "DD", .of_one = true, .in_path = true, .help = "day of its first day" },
    { "HH", .of_one = true, .in_path = true, .help = "hour of its beginning, in UTC" },
    { "mm", .of_one = true, .in_path = true, .help = "minute of its beginning, in UTC" },
    { "options", .is_list = true, .help = "the words of the key options" },
    { "input.X", .is_list = true, .help = "URIs of the partitions of the need X" },
};
/* clang-format on */

const struct sg_key *sg_keys(size_t *ret_n)
{
    *ret_n = LENGTH(keys);
    return keys;
}

const struct sg_key *sg_key_find(enum sg_section s, const char *name)
{
    bool env = s == SG_SECTION_STAGE && strncmp(name, "env.", 4) == 0 && name[4] != '\0';

    for (size_t i = 0; i < LENGTH(keys); i++) {
        if (keys[i].section == s && strcmp(keys[i].name, env ? "env.NAME" : name) == 0)
            return &keys[i];
    }
    return NULL;
}

const char *sg_key_near(enum sg_section s, const char *name)
{
    const char *names[LENGTH(keys)];
    size_t n = 0;

    for (size_t i = 0; i < LENGTH(keys); i++) {
        if (keys[i].section == s)
            names[n++] = keys[i].name;
    }
    return sg_text_nearest(name, names, n);
}

const char *sg_key_type_name(enum sg_key_type t)
{
    static const char *const type_names[SG_KEY_TYPE_COUNT] = {
        [SG_KEY_TEXT] = "text",
        [SG_KEY_BOOL] = "yes or no",
        [SG_KEY_INT] = "number",
        [SG_KEY_DURATION] = "duration",
        [SG_KEY_SIZE] = "size",
        [SG_KEY_CHOICE] = "choice",
        [SG_KEY_CHOICES] = "choices",
        [SG_KEY_TIME] = "date or time",
        [SG_KEY_CALENDAR] = "calendar",
        [SG_KEY_ZONE] = "time zone",
        [SG_KEY_FILENAME] = "file name",
        [SG_KEY_PATH] = "local path",
        [SG_KEY_ROOT] = "URI or path",
        [SG_KEY_TEMPLATE] = "text with variables",
        [SG_KEY_COMMAND] = "command",
        [SG_KEY_CHECK] = "choice or command",
        [SG_KEY_LIST] = "list",
        [SG_KEY_PATTERNS] = "file patterns",
        [SG_KEY_NEEDS] = "needs",
        [SG_KEY_BATCH] = "number or duration",
        [SG_KEY_POOL] = "pool",
        [SG_KEY_STAGES] = "stages",
        [SG_KEY_BOOL_OR_STAGES] = "yes, no or stages",
    };

    return type_names[t];
}

const struct sg_var *sg_vars(size_t *ret_n)
{
    *ret_n = LENGTH(vars);
    return vars;
}

const struct sg_var *sg_var_find(const char *name)
{
    bool input = strncmp(name, "input.", 6) == 0 && name[6] != '\0';

    for (size_t i = 0; i < LENGTH(vars); i++) {
        if (strcmp(vars[i].name, input ? "input.X" : name) == 0)
            return &vars[i];
    }
    return NULL;
}
