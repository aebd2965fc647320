/* SPDX-License-Identifier: MIT */
/* A reproduction from a database to its page. */
#include "cellbench/reproduction.h"

#include "base/file.h"
#include "report/reproduction_internal.h"

cb_status cb_reproduction_write(cb_store *store, const cb_reproduction_options *options,
                                cb_reproduction_made *made, cb_err *err) {
    cbi_reproduction r = {.json = NULL};
    cbi_text text = {0};
    *made = (cb_reproduction_made){.trials = 0};
    cb_status st = cbi_found_read(&r, store, options->study, err);
    if (st == CB_OK)
        st = cbi_reproduction_judge(&r, store, err);
    if (st == CB_OK) {
        cbi_reproduction_page(&text, &r, options);
        st = text.failed ? cb_fail(err, CB_ENOMEM, "%s: no memory for its text", options->path)
                         : cbi_file_write(options->path, text.data, text.length, err);
        made->trials = (size_t)r.n;
        for (size_t i = 0; i < r.published.claim_count; i++)
            made->verdicts[r.published.claims[i].verdict]++;
    }
    cbi_text_fini(&text);
    cb_importance_destroy(r.importance);
    json_decref(r.json);
    cbi_pool_fini(&r.pool);
    return st;
}
