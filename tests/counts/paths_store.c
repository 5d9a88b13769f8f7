/* What a NameNode answers. */
#include "webhdfs_impl.h"

#include "counts.h"

#define ENTRIES 5000
#define PIECE   16384 /* as curl hands them on */

struct answer {
    struct sg_buf text;
    size_t entries;
};

static void read_listing(void *ctx)
{
    struct answer *a = ctx;
    struct sg_error err = SG_ERROR_INIT;
    struct wh_listing l;

    wh_listing_init(&l);
    for (size_t at = 0; at < a->text.len; at += PIECE)
        must_be(wh_listing_body(&l, a->text.at + at,
                                a->text.len - at < PIECE ? a->text.len - at : PIECE),
                "the answer is taken");
    must(wh_listing_end(&l, &err), &err);
    a->entries = l.n;
    wh_listing_done(&l);
}

uint64_t count_listing(void)
{
    struct answer a = { .entries = 0 };
    struct sg_error err = SG_ERROR_INIT;

    must(sg_buf_adds(&a.text, "{\"FileStatuses\":{\"FileStatus\":[\n", &err), &err);
    for (int i = 0; i < ENTRIES; i++)
        must(sg_buf_addf(&a.text, &err,
                         "%s{\"accessTime\":0,\"blockSize\":0,\"childrenNum\":2,\"fileId\":%d,"
                         "\"group\":\"supergroup\",\"length\":0,\"modificationTime\":%lld,"
                         "\"owner\":\"hdfs\",\"pathSuffix\":\"hr=%02d\",\"permission\":\"755\","
                         "\"replication\":0,\"storagePolicy\":0,\"type\":\"DIRECTORY\"}",
                         i != 0 ? ",\n" : "", 16385 + i, 1795647844000 + 977LL * i, i % 24),
             &err);
    must(sg_buf_adds(&a.text, "\n]}}\n", &err), &err);
    counted(read_listing, &a);
    must_be(a.entries == ENTRIES, "all entries were read");
    sg_buf_done(&a.text);
    return ENTRIES;
}
