/*
 * hdfsio: what a job of the tests does in HDFS.
 *
 *   hdfsio put PATH            standard input
 *   hdfsio get PATH
 *   hdfsio mkdir|rm PATH
 *   hdfsio touch PATH          an empty file, as Spark leaves its _SUCCESS
 *
 * PATH may be a URI of any root; whose cluster it is, the environment says (io.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../io.h"

struct verb {
    const char *name, *method, *query;
    int takes_input;
};

static const struct verb verbs[] = {
    { "put", "PUT", "CREATE&overwrite=true", 1 },
    { "get", "GET", "OPEN", 0 },
    { "mkdir", "PUT", "MKDIRS", 0 },
    { "rm", "DELETE", "DELETE&recursive=true", 0 },
    { "touch", "PUT", "CREATE&overwrite=true", 0 },
};

static char *standard_input(size_t *ret_n)
{
    char *text = NULL;
    size_t have = 0, got;

    do {
        text = realloc(text, have + 65536);
        if (text == NULL)
            exit(1);
        got = fread(text + have, 1, 65536, stdin);
        have += got;
    } while (got != 0);
    *ret_n = have;
    return text;
}

/* Of a gateway's URI what comes after its own path and that of WebHDFS. */
static const char *path_of(const char *uri)
{
    static const char service[] = "/webhdfs/v1/";
    const char *at = strstr(uri, "://"), *behind = strstr(uri, service);

    if (at != NULL && behind != NULL)
        return behind + strlen(service) - 1;
    return at == NULL ? uri : at[3] == '/' ? at + 3 : strchr(at + 3, '/');
}

int main(int argc, char **argv)
{
    struct io_answer answer;
    const struct verb *verb = NULL;
    char *input = NULL;
    size_t n = 0;
    int status = 0;

    for (size_t i = 0; argc == 3 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            verb = &verbs[i];
    if (verb == NULL || path_of(argv[2]) == NULL) {
        (void)fputs("usage: hdfsio put|get|mkdir|rm|touch PATH\n", stderr);
        return 2;
    }
    if (verb->takes_input)
        input = standard_input(&n);
    if (!io_do(verb->method, path_of(argv[2]), verb->query, input, n, &answer)) {
        (void)fprintf(stderr, "hdfsio: %s %s: %ld %s\n", argv[1], argv[2], answer.status,
                      answer.body);
        status = 1;
    } else if (strcmp(verb->name, "get") == 0 &&
               fwrite(answer.body, 1, answer.len, stdout) != answer.len)
        status = 1;
    free(answer.body);
    free(input);
    return status;
}
