/* SPDX-License-Identifier: MIT */
/*
 * What another program may say in its turn (`bench --turns`): bytes as they would come from its
 * pipe, line after line. What is accepted must keep the promises of cli/bench_foreign.h.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(int promise) {
    if (!promise)
        abort();
}

static void check_name(const char *text) {
    check(text != NULL && text[0] != '\0' && strlen(text) <= 64);
    for (const char *c = text; *c != '\0'; c++)
        check(*c >= ' ' && *c <= '~');
}

static void check_sample(const cbi_bench_foreign *f) {
    check(json_is_object(f->object) && f->cell != NULL && f->phase != NULL);
    check_name(f->engine);
    check_name(f->version);
    check_name(f->kernel);
    check(strcmp(f->engine, "cellbench") != 0);
    check(strcmp(f->clock, "cpu") == 0 || strcmp(f->clock, "wall") == 0);
    check(f->repeats >= 1 && f->duration_ns >= 1);
}

/* Every line, also behind one that is empty or was refused: *more says what is to be freed. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err;
    cb_status st = CB_OK;
    FILE *in = size > 0 ? fmemopen((void *)(uintptr_t)bytes, size, "r") : NULL;
    if (in == NULL)
        return 0;
    while (st != CB_EIO) {
        cbi_bench_foreign f;
        int more;
        st = cbi_bench_foreign_next(&f, in, &more, &err);
        check(more == (f.object != NULL) && (st == CB_OK || !more));
        check(st == CB_OK || st == CB_EIO || st == CB_EDATA || st == CB_EPARSE);
        if (more)
            check_sample(&f);
        json_decref(f.object);
    }
    fclose(in);
    return 0;
}
