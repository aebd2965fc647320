/* SPDX-License-Identifier: MIT */
/*
 * cellbench merge: what several databases hold into one. All inputs are opened before the output is
 * made, so that a wrong name changes nothing; each is then one transaction.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { INPUTS_MOST = 10000 };

typedef struct merging {
    const char *out, *in;
    int64_t conflicts; /* of all inputs */
} merging;

static void tell_conflict(void *context, const cb_merge_conflict *c) {
    merging *m = context;
    m->conflicts++;
    (void)cbi_cli_failf("conflict: trial %lld (%.64s, seed %lld): valid %.9g, test %.9g in %s, but "
                        "valid %.9g, test %.9g in %s; the first stay",
                        (long long)c->trial_id, c->cell, (long long)c->seed, c->valid, c->test,
                        m->out, c->other_valid, c->other_test, m->in);
}

/* 1 if both are the same file, be it by another name. */
static int is_same_file(const char *a, const char *b) {
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static cb_status check_inputs(const merging *m, char *const *inputs, size_t n, cb_err *err) {
    for (size_t i = 0; i < n; i++) {
        cb_store *store = NULL;
        if (is_same_file(m->out, inputs[i]))
            return cb_fail(err, CB_EARG, "%s: is what is merged into, and cannot be merged too",
                           inputs[i]);
        cb_status st = cb_store_open(&store, inputs[i], CB_STORE_READ, err);
        if (st != CB_OK)
            return st;
        cb_store_close(store);
    }
    return CB_OK;
}

/* "3 trials", with the plural; nothing for none. */
static void print_count(int64_t n, const char *one, const char *many, int *any) {
    if (n == 0)
        return;
    printf("%s%lld %s", *any ? ", " : "", (long long)n, n == 1 ? one : many);
    *any = 1;
}

static void print_counts(const char *path, const cb_merge_counts *n) {
    int any = 0;
    cbi_cli_put(stdout, path);
    printf(": ");
    print_count(n->studies, "new study", "new studies", &any);
    print_count(n->renamed, "of them under a new name", "of them under new names", &any);
    print_count(n->trials, "new trial", "new trials", &any);
    print_count(n->attempts, "new attempt", "new attempts", &any);
    print_count(n->timings, "new timing", "new timings", &any);
    print_count(n->weights, "file of weights", "files of weights", &any);
    print_count(n->weights_missing, "file of weights missing or damaged",
                "files of weights missing or damaged", &any);
    print_count(n->equal, "result equal to one that is there",
                "results equal to those that are there", &any);
    print_count(n->conflicts, "conflict", "conflicts", &any);
    print_count(n->at_work, "result left out, for a run is at its trial",
                "results left out, for runs are at their trials", &any);
    printf("%s\n", any ? "" : "nothing new");
}

static cb_status merge_one(merging *m, cb_store *out, const char *path, cb_err *err) {
    const cb_merge_options options = {.context = m, .conflict = tell_conflict};
    cb_merge_counts counts;
    cb_store *in = NULL;
    m->in = path;
    cb_status st = cb_store_open(&in, path, CB_STORE_READ, err);
    if (st == CB_OK)
        st = cb_store_merge(out, in, &options, &counts, err);
    cb_store_close(in);
    if (st == CB_OK)
        print_counts(path, &counts);
    return st;
}

static int run(const cbi_cli_args *args) {
    merging m = {.out = args->rest[0]};
    cb_store *out = NULL;
    cb_err err;
    char *const *inputs = args->rest + 1;
    const size_t n = args->count - 1;
    cb_status st = check_inputs(&m, inputs, n, &err);
    if (st == CB_OK)
        st = cb_store_open(&out, m.out, CB_STORE_WRITE, &err);
    for (size_t i = 0; st == CB_OK && i < n; i++)
        st = merge_one(&m, out, inputs[i], &err);
    cb_store_close(out);
    if (st != CB_OK)
        return cbi_cli_fail(&err);
    return m.conflicts == 0 ? CBI_EXIT_OK : CBI_EXIT_FAILURE;
}

static const cbi_cli_option options[] = {{0}};

const cbi_cli_command cbi_cmd_merge = {
    .name = "merge",
    .summary = "what several databases hold into one",
    .arguments = "OUT.db IN.db...",
    .text =
        "Puts the studies, results, learning curves, timings and kept weights of each IN.db into\n"
        "OUT.db, which is made if it does not exist; each input whole or not at all. Doing it\n"
        "again changes nothing, and a database that is further than last time adds what is new.\n"
        "The inputs are only read, of whatever version they are, and may be at work: what runs\n"
        "there comes as lost. Merging into a new file is the safe copy of a running study.\n\n"
        "Things are the same by what they are: a trial by its key, an attempt by its trial, run\n"
        "and number. A trial that both have finished with other numbers, with the same numerics\n"
        "and instruction set, is a conflict: it is told, OUT.db's numbers stay, all the rest is\n"
        "merged, and the exit status is 1. A study of the same name with another script comes as\n"
        "\"name [8 hexadecimal digits]\".\n",
    .example = "  cellbench merge all.db desk.db server.db\n"
               "  cellbench merge copy.db running.db\n",
    .options = options,
    .least = 2,
    .most = INPUTS_MOST,
    .run = run,
};
