#include "stagegraph/hadoop.h"

#include <libxml/parser.h>

void sg_hadoop_free(struct sg_hadoop *h)
{
    (void)h;
    xmlCleanupParser();
}
