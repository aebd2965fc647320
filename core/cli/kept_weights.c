/* SPDX-License-Identifier: MIT */
/*
 * The file of best weights that a run kept beside its database: whether it is there, whether its
 * bytes are those that were written, and whether they are the weights of a run of today.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/cli.h"

/* Where a database's name for the file leads: it is told from the database's folder on. */
static cb_status find_file(const char *database, const char *name, char **path, cb_err *err) {
    cbi_text text = {0};
    const char *slash = strrchr(database, '/');
    if (name[0] != '/' && slash != NULL)
        cbi_text_add_n(&text, database, (size_t)(slash + 1 - database));
    cbi_text_add(&text, name);
    return cbi_text_take(&text, path, err);
}

/* Its tensors against the weights of the result. */
static cbi_cli_weights compare(const char *path, const cb_trial *trial,
                               const cb_trial_result *result) {
    float *kept;
    size_t n;
    if (cb_trial_load(trial, path, &kept, &n, NULL) != CB_OK)
        return CBI_CLI_WEIGHTS_OTHER;
    const int same =
        n == result->weight_count && memcmp(kept, result->weights, n * sizeof *kept) == 0;
    cb_free(kept);
    return same ? CBI_CLI_WEIGHTS_EQUAL : CBI_CLI_WEIGHTS_OTHER;
}

cb_status cbi_cli_weights_check(const char *database, const char *name, const char *sha256,
                                const cb_trial *trial, const cb_trial_result *result,
                                cbi_cli_weights *out, cb_err *err) {
    char *path, now[CBI_SHA256_HEX];
    *out = CBI_CLI_WEIGHTS_NONE;
    if (name[0] == '\0' || result->weights == NULL)
        return CB_OK;
    cb_status st = find_file(database, name, &path, err);
    if (st != CB_OK)
        return st;
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        *out = CBI_CLI_WEIGHTS_MISSING;
    else if ((st = cbi_file_hash(path, now, err)) == CB_OK)
        *out = strcmp(now, sha256) != 0 ? CBI_CLI_WEIGHTS_CHANGED : compare(path, trial, result);
    cbi_free(path);
    return st;
}

void cbi_cli_weights_tell(cbi_cli_weights what, const char *name) {
    static const char *const texts[] = {
        [CBI_CLI_WEIGHTS_EQUAL] =
            "equal: hash as stored, weights those of this run to the last bit",
        [CBI_CLI_WEIGHTS_OTHER] = "differ: hash as stored, but other weights than in this run",
        [CBI_CLI_WEIGHTS_CHANGED] = "differ: changed since it was written, by its hash",
        [CBI_CLI_WEIGHTS_MISSING] = "missing: the file is not there",
    };
    if (what == CBI_CLI_WEIGHTS_NONE)
        return;
    printf("weights ");
    cbi_cli_put(stdout, name);
    printf("\n  %s\n", texts[what]);
}
