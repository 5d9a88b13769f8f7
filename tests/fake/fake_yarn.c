#include "fake_yarn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool find(struct sg_yarn *base, const char *tag, struct sg_yarn_apps *ret,
                 struct sg_error *err)
{
    struct fake_yarn *y = (struct fake_yarn *)base;

    y->asked++;
    assert_string_equal(tag, y->tag);
    if (y->away)
        return sg_error_set(err, SG_ERROR_STORE, 0, "away");
    for (const char *at = y->apps; *at != '\0'; at += *at == ' ') {
        size_t state = strcspn(at, "/"), n = strcspn(at, " ");
        struct sg_yarn_app app = {
            .name = "", .user = "", .queue = "", .tracking_url = "", .diagnostics = y->diagnostics
        };

        app.id = sg_arena_printf(&ret->arena, err, "application_1_%04zu", ret->n + 1);
        app.state = sg_arena_copy(&ret->arena, (struct sg_span){ at, state }, err);
        app.final_status =
            sg_arena_copy(&ret->arena, (struct sg_span){ at + state + 1, n - state - 1 }, err);
        app.alive =
            strcmp(app.final_status, "UNDEFINED") == 0 && strcmp(app.state, "FINISHED") != 0;
        assert_true(
            sg_arena_grow(&ret->arena, (void **)&ret->at, ret->n, &ret->cap, sizeof(app), err));
        ret->at[ret->n++] = app;
        at += n;
    }
    return true;
}

static bool kill_one(struct sg_yarn *base, const char *id, struct sg_error *err)
{
    struct fake_yarn *y = (struct fake_yarn *)base;

    (void)id;
    (void)err;
    y->kills++;
    y->apps = y->after_kill;
    return true;
}

static const struct sg_yarn_ops ops = { .find = find, .kill = kill_one };

void fake_yarn_init(struct fake_yarn *y, const char *tag)
{
    *y = (struct fake_yarn){
        .base = { .ops = &ops }, .tag = tag, .apps = "", .after_kill = "", .diagnostics = ""
    };
}
