/* SPDX-License-Identifier: MIT */
/*
 * cellbench verify: runs one trial again, in this process, and compares the bits of every row of
 * its learning curve and of its results with what the database holds.
 */
#include "cli/cli.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/memory.h"
#include "cellbench/sweep.h"

enum { LEAST_KEY = 8, MOST_DIGITS = 18 };

typedef struct row {
    int64_t epoch;
    char split[8], metric[64];
    double value;
} row;

typedef struct rows {
    row *row;
    size_t count, capacity;
} rows;

/* Results of an attempt by the names of their columns. */
static const char *const integer_names[] = {"epochs", "best_epoch", "updates"};
static const char *const real_names[] = {"train", "valid", "test", "valid_error", "test_error"};
enum { INTEGERS = 3, REALS = 5 };

typedef struct record {
    int64_t trial, attempt, seed, numerics;
    char *key, *state, *task, *spec, *task_open, *cell, *instruction_set, *error;
    char *weights_file, *weights_sha256;
    cbi_cli_weights weights; /* the file, once the trial was run again */
    int64_t integers[INTEGERS];
    double reals[REALS], wall_seconds;
    rows curve;
} record;

static void record_fini(record *r) {
    char *const texts[] = {
        r->key,  r->state,           r->task,  r->spec,         r->task_open,
        r->cell, r->instruction_set, r->error, r->weights_file, r->weights_sha256};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cbi_free(texts[i]);
    cbi_free(r->curve.row);
}

static cb_status add_row(rows *to, const row *one, cb_err *err) {
    void *block = to->row;
    if (cbi_grow(&block, &to->capacity, to->count + 1, sizeof *to->row) != CB_OK)
        return cb_fail(err, CB_ENOMEM, "%zu rows of a learning curve", to->count + 1);
    to->row = block;
    to->row[to->count++] = *one;
    return CB_OK;
}

static int by_place(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    int order = strcmp(x->split, y->split);
    return order != 0 ? order : strcmp(x->metric, y->metric);
}

/* ---- what is stored ---- */

static const char trial_sql[] =
    "select t.trial_id, t.seed, a.attempt_id, a.numerics, t.key, t.state, k.name, x.spec, "
    "x.task_open, c.name, a.instruction_set, a.error_text, a.weights_file, a.weights_sha256, "
    "a.wall_seconds, a.epochs, a.best_epoch, "
    "a.updates, a.train, a.valid, a.test, a.valid_error, a.test_error from trial as t join task as "
    "k on k.task_id = t.task_id join specification as x on x.trial_id = t.trial_id join cell as c "
    "on c.cell_id = t.cell_id left join attempt as a on a.attempt_id = t.result_attempt_id where "
    "t.trial_id = ?1 or (?2 <> '' and substr(t.key, 1, length(?2)) = ?2) limit 2";
enum { AT_TEXTS = 4, AT_WALL = 14, AT_INTEGERS = 15, AT_REALS = 18 };

static cb_status read_record(const cb_query *query, record *r, cb_err *err) {
    char **const texts[] = {
        &r->key,  &r->state,           &r->task,  &r->spec,         &r->task_open,
        &r->cell, &r->instruction_set, &r->error, &r->weights_file, &r->weights_sha256};
    r->trial = cb_query_column(query, 0).integer;
    r->seed = cb_query_column(query, 1).integer;
    r->attempt = cb_query_column(query, 2).integer;
    r->numerics = cb_query_column(query, 3).integer;
    r->wall_seconds = cbi_cli_real(query, AT_WALL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if ((*texts[i] = cbi_cli_text(query, AT_TEXTS + i)) == NULL)
            return cb_fail(err, CB_ENOMEM, "trial %" PRId64, r->trial);
    for (size_t i = 0; i < INTEGERS; i++)
        r->integers[i] = cb_query_column(query, AT_INTEGERS + i).integer;
    for (size_t i = 0; i < REALS; i++)
        r->reals[i] = cbi_cli_real(query, AT_REALS + i);
    return CB_OK;
}

/* The trial that a person means: its number, or the beginning of its key. */
static cb_status find_trial(cb_store *store, const char *given, record *r, cb_err *err) {
    const size_t length = strlen(given);
    const int is_number =
        length > 0 && length <= MOST_DIGITS && strspn(given, "0123456789") == length;
    const int is_key =
        length >= LEAST_KEY && length <= 64 && strspn(given, "0123456789abcdef") == length;
    const cb_value values[] = {
        {.type = CB_VALUE_INT, .integer = is_number ? strtoll(given, NULL, 10) : -1},
        cbi_cli_text_value(is_key ? given : "")};
    cb_query *query = NULL;
    int has_row = 0;
    if (!is_number && !is_key)
        return cb_fail(err, CB_EARG,
                       "trial: expected its number, or at least %d digits of its key, got '%s'",
                       LEAST_KEY, given);
    cb_status st = cb_query_open(&query, store, trial_sql, values, 2, err);
    if (st != CB_OK || (st = cb_query_next(query, &has_row, err)) != CB_OK)
        goto out;
    if (!has_row) {
        st = cb_fail(err, CB_EARG, "%s: no trial '%s'; 'cellbench table %s --trials' lists them",
                     cb_store_path(store), given, cb_store_path(store));
        goto out;
    }
    if ((st = read_record(query, r, err)) == CB_OK &&
        (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        st = cb_fail(err, CB_EARG, "%s: '%s' is the beginning of several keys, or one's number",
                     cb_store_path(store), given);
out:
    cb_query_close(query);
    return st;
}

static cb_status read_curve(cb_store *store, record *r, cb_err *err) {
    const cb_value id = {.type = CB_VALUE_INT, .integer = r->attempt};
    cb_query *query = NULL;
    int has_row = 0;
    cb_status st = cb_query_open(
        &query, store, "select epoch, split, metric, value from epoch where attempt_id = ?1", &id,
        1, err);
    while (st == CB_OK && (st = cb_query_next(query, &has_row, err)) == CB_OK && has_row) {
        row one = {.epoch = cb_query_column(query, 0).integer, .value = cbi_cli_real(query, 3)};
        const cb_value split = cb_query_column(query, 1), metric = cb_query_column(query, 2);
        snprintf(one.split, sizeof one.split, "%.*s", (int)split.length, split.text);
        snprintf(one.metric, sizeof one.metric, "%.*s", (int)metric.length, metric.text);
        st = add_row(&r->curve, &one, err);
    }
    cb_query_close(query);
    return st;
}

/* ---- running it again ---- */

static cb_status on_row(void *context, const cb_epoch_row *from, cb_err *err) {
    static const char *const splits[] = {
        [CB_TRAIN] = "train", [CB_VALID] = "valid", [CB_TEST] = "test"};
    row one = {.epoch = (int64_t)from->epoch, .value = from->value};
    snprintf(one.split, sizeof one.split, "%s", splits[from->split]);
    snprintf(one.metric, sizeof one.metric, "%s", from->metric);
    return add_row(context, &one, err);
}

static cb_status run_again(const char *database, const record *stored, record *again, cb_err *err) {
    const cb_train_events events = {.context = &again->curve, .row = on_row};
    cb_trial_result result = {0};
    cb_task *task = NULL;
    cb_trial *trial = NULL;
    cb_status st = cb_task_open(&task, stored->task, stored->task_open, err);
    if (st != CB_OK || (st = cb_trial_create(&trial, stored->spec, task, err)) != CB_OK)
        goto out;
    if (strcmp(cb_trial_key(trial), stored->key) != 0) {
        st = cb_fail(err, CB_EDATA,
                     "trial %" PRId64 ": this program makes another trial of its specification "
                     "(key %.12s..., expected %.12s...)",
                     stored->trial, cb_trial_key(trial), stored->key);
        goto out;
    }
    const double begun = cbi_cli_seconds();
    if ((st = cb_trial_run(trial, &events, &result, err)) != CB_OK)
        goto out;
    const size_t integers[INTEGERS] = {result.epochs, result.best_epoch, result.updates};
    const double reals[REALS] = {result.train, result.valid, result.test, result.valid_error,
                                 result.test_error};
    for (size_t i = 0; i < INTEGERS; i++)
        again->integers[i] = (int64_t)integers[i];
    memcpy(again->reals, reals, sizeof reals);
    again->wall_seconds = cbi_cli_seconds() - begun;
    again->state = cbi_strdup(result.state == CB_TRIAL_DONE ? "done" : "diverged");
    if (again->state == NULL)
        st = cb_fail(err, CB_ENOMEM, "the state of a trial");
    else
        st = cbi_cli_weights_check(database, stored->weights_file, stored->weights_sha256, trial,
                                   &result, &again->weights, err);
out:
    cb_free(result.weights);
    cb_trial_destroy(trial);
    cb_task_close(task);
    return st;
}

/* ---- comparing ---- */

/* What is not finite is stored as NULL: all of it counts as equal; and a zero loses its sign. */
static int same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || a == b || (!isfinite(a) && !isfinite(b));
}

static void print_value(const char *what, const row *one) {
    if (one == NULL)
        printf("  %-9s no such row\n", what);
    else
        printf("  %-9s %a (%.9g)\n", what, one->value, one->value);
}

/* 1 if the curves are equal; else tells the first difference. */
static int same_curve(const rows *stored, const rows *again) {
    size_t i = 0, j = 0;
    for (; i < stored->count || j < again->count; i++, j++) {
        const row *a = i < stored->count ? &stored->row[i] : NULL;
        const row *b = j < again->count ? &again->row[j] : NULL;
        int order = a == NULL ? 1 : b == NULL ? -1 : by_place(a, b);
        if (order == 0 && same_bits(a->value, b->value))
            continue;
        const row *at = order > 0 ? b : a;
        printf("first difference: epoch %" PRId64 ", ", at->epoch);
        cbi_cli_put(stdout, at->split);
        printf(", ");
        cbi_cli_put(stdout, at->metric);
        putchar('\n');
        print_value("stored", order > 0 ? NULL : a);
        print_value("now", order < 0 ? NULL : b);
        return 0;
    }
    return 1;
}

static int same_results(const record *stored, const record *again) {
    if (strcmp(stored->state, again->state) != 0) {
        printf("first difference: stored as ");
        cbi_cli_put(stdout, stored->state);
        printf(", now %s\n", again->state);
        return 0;
    }
    for (size_t i = 0; i < INTEGERS; i++)
        if (stored->integers[i] != again->integers[i]) {
            printf("first difference: result %s\n  stored    %" PRId64 "\n  now       %" PRId64
                   "\n",
                   integer_names[i], stored->integers[i], again->integers[i]);
            return 0;
        }
    for (size_t i = 0; i < REALS; i++)
        if (!same_bits(stored->reals[i], again->reals[i])) {
            const row a = {.value = stored->reals[i]}, b = {.value = again->reals[i]};
            printf("first difference: result %s\n", real_names[i]);
            print_value("stored", &a);
            print_value("now", &b);
            return 0;
        }
    return 1;
}

static cb_status check_stored(const record *r, cb_err *err) {
    if (strcmp(r->state, "failed") == 0)
        return cb_fail(err, CB_EARG, "trial %" PRId64 " failed and has no result to compare: %s",
                       r->trial, r->error);
    if (r->attempt == 0)
        return cb_fail(err, CB_EARG, "trial %" PRId64 " has no result yet: it is %s", r->trial,
                       r->state);
    return CB_OK;
}

/* 1 if the bits are promised to be the same. */
static int tell_arithmetic(const record *r) {
    cb_run_info here;
    cb_run_info_fill(&here);
    if (r->numerics == here.numerics && strcmp(r->instruction_set, here.instruction_set) == 0)
        return 1;
    printf("computed with numerics %" PRId64 ", ", r->numerics);
    cbi_cli_put(stdout, r->instruction_set);
    printf("; this program on this machine has numerics %" PRId64
           ", %s: equal bits are not promised\n",
           here.numerics, here.instruction_set);
    fflush(stdout);
    return 0;
}

static int run(const cbi_cli_args *args) {
    cb_err err;
    cb_store *store = NULL;
    record stored, again;
    char then[32], now[32];
    int status = CBI_EXIT_OK;
    memset(&stored, 0, sizeof stored);
    memset(&again, 0, sizeof again);
    cb_status st = cb_store_open(&store, args->rest[0], CB_STORE_READ, &err);
    if (st != CB_OK || (st = find_trial(store, args->rest[1], &stored, &err)) != CB_OK ||
        (st = check_stored(&stored, &err)) != CB_OK ||
        (st = read_curve(store, &stored, &err)) != CB_OK)
        goto out;
    cb_store_close(store); /* it may take long; others need the files meanwhile */
    store = NULL;
    printf("trial %" PRId64 ": ", stored.trial);
    cbi_cli_put(stdout, stored.cell);
    putchar('\n');
    const int promised = tell_arithmetic(&stored);
    if ((st = run_again(args->rest[0], &stored, &again, &err)) != CB_OK)
        goto out;
    qsort(stored.curve.row, stored.curve.count, sizeof *stored.curve.row, by_place);
    qsort(again.curve.row, again.curve.count, sizeof *again.curve.row, by_place);
    if (same_curve(&stored.curve, &again.curve) && same_results(&stored, &again)) {
        printf("equal: %zu rows of its curve and %d results, to the last bit (%s; then %s)\n",
               again.curve.count, INTEGERS + REALS, cbi_cli_duration(now, again.wall_seconds),
               cbi_cli_duration(then, stored.wall_seconds));
    } else {
        printf("not equal%s\n", promised ? "" : "; with another arithmetic that is no surprise");
        status = CBI_EXIT_FAILURE;
    }
    cbi_cli_weights_tell(again.weights, stored.weights_file);
    if (again.weights == CBI_CLI_WEIGHTS_OTHER || again.weights == CBI_CLI_WEIGHTS_CHANGED)
        status = CBI_EXIT_FAILURE;
out:
    record_fini(&stored);
    record_fini(&again);
    cb_store_close(store);
    return st == CB_OK ? status : cbi_cli_fail(&err);
}

static const cbi_cli_option options[] = {{0}};

const cbi_cli_command cbi_cmd_verify = {
    .name = "verify",
    .summary = "run one trial again and compare it to the last bit",
    .arguments = "DB TRIAL",
    .text = "TRIAL is a trial's number or the beginning of its key. Every row of its learning\n"
            "curve and every result must have the bits that are stored; the first that has\n"
            "not is shown. Where the weights were kept, their file must be as it was written and\n"
            "have the weights of this run; that it is missing is said. A result of other numerics "
            "or of another instruction set than this\n"
            "program's may differ; that is said. Nothing is written.\n"
            "Exit status: 0 equal, 1 a difference or an error.\n",
    .example = "  cellbench verify results/quickstart.db 1\n",
    .options = options,
    .least = 2,
    .most = 2,
    .run = run,
};
