/*
 * fake_yarn: a YARN that says what it was told, without waiting.
 *
 *   fake_yarn_init(&y, tag); y.apps = "RUNNING/UNDEFINED FINISHED/SUCCEEDED"; … &y.base …
 *
 * The applications are called application_1_0001, … Asked for another tag than its own it stops the
 * test.
 */
#ifndef FAKE_YARN_H
#define FAKE_YARN_H

#include "../../src/store/yarn_impl.h"

struct fake_yarn {
    struct sg_yarn base;
    const char *tag;
    const char *apps;        /* STATE/FINAL_STATUS of each; "" none */
    const char *after_kill;  /* what they are once one of them was killed */
    const char *diagnostics; /* of all of them */
    bool away;               /* nobody answers */
    unsigned asked, kills;
};

void fake_yarn_init(struct fake_yarn *y, const char *tag);

#endif
