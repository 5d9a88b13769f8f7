#include "counts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stagegraph/clock.h"

#include "memory_store.h"
#include "tree.h"

int64_t counts_after(int64_t hours)
{
    int64_t start_s = 1357167600; /* COUNTS_START */

    return start_s + hours * 3600;
}

void counts_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    must_be(f != NULL && fputs(text, f) >= 0, path);
    must_be(fclose(f) == 0, path);
}

/* Always below /tmp: the length of the name counts. */
void counts_world_open(struct counts_world *w, const char *graph, int64_t now_s)
{
    struct sg_error err = SG_ERROR_INIT;
    char file[80];

    memset(w, 0, sizeof(*w));
    snprintf(w->dir, sizeof(w->dir), "/tmp/stagegraph-counts.XXXXXX");
    must_be(mkdtemp(w->dir) != NULL, w->dir);
    snprintf(file, sizeof(file), "%s/g.ini", w->dir);
    counts_write(file, graph);
    must(sg_bench_graph(file, &w->graph, &err), &err);
    must(unlink(file) == 0, &err);
    must(memory_store_open("/store", &w->store, &err), &err);
    w->code = sg_code_cache_new(&err);
    must(w->code != NULL, &err);
    sg_request_init(&w->request, now_s);
    w->config = (struct sg_plan_config){
        .graph = w->graph, .store = w->store, .code = w->code, .request = &w->request
    };
}

/* With what a path has left in it. */
static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    must_be(dir != NULL, path);
    while ((e = readdir(dir)) != NULL)
        if (e->d_name[0] != '.')
            must_be(unlinkat(dirfd(dir), e->d_name, 0) == 0, e->d_name);
    closedir(dir);
    must_be(rmdir(path) == 0, path);
}

void counts_world_close(struct counts_world *w)
{
    sg_code_cache_free(w->code);
    sg_store_free(w->store);
    sg_graph_free(w->graph);
    remove_dir(w->dir);
}

void counts_graph(struct sg_buf *out, const char *silver_needs, const char *gold_needs,
                  const char *more)
{
    struct sg_error err = SG_ERROR_INIT;

    must(sg_buf_addf(out, &err,
                     "[graph]\nname = counts\nstart = " COUNTS_START "\ndelay = 0\n"
                     "partition = hour\n[store]\nroot = store\n"
                     "[stage bronze]\ncommand = make bronze --from ${start} --to ${end}\n"
                     "output = bronze/dt=${ds}/hr=${HH}\n%s"
                     "[stage silver]\nneeds = %s\ncommand = make silver --from ${start}\n"
                     "output = silver/dt=${ds}/hr=${HH}\n%s"
                     "[stage gold]\nneeds = %s\ncommand = make gold --from ${start}\n"
                     "output = gold/dt=${ds}/hr=${HH}\n%s",
                     more, silver_needs, more, gold_needs, more),
         &err);
}

void counts_wide_graph(struct sg_buf *out, unsigned stages)
{
    struct sg_error err = SG_ERROR_INIT;

    must(sg_buf_adds(out,
                     "[graph]\nname = wide\nstart = " COUNTS_START "\ndelay = 5m\n"
                     "partition = hour\n[store]\nroot = store\n"
                     "[param mode]\nchoices = full upsert\ndefault = upsert\n",
                     &err),
         &err);
    for (unsigned i = 0; i < stages; i++) {
        must(sg_buf_addf(out, &err,
                         "\n; what stage %u is for\n[stage stage_%u]\ntitle = STAGE %u\n"
                         "command = bash scripts/submit.sh ${options} jobs/run_%u.py --\n"
                         "  --mode ${mode} --start ${start} --end ${end} --out ${output}\n"
                         "options = --conf spark.executor.memory=4g --conf spark.x=\"a b\"\n"
                         "output = stage_%u/dt=${ds}/hr=${HH}\ntimeout = 1h\nretries = 2\n",
                         i, i, i, i, i),
             &err);
        if (i > 1)
            must(sg_buf_addf(out, &err, "needs = stage_%u stage_%u?\n", i - 1, i - 2), &err);
    }
}
