/* SPDX-License-Identifier: MIT */
#include "cli/compare_json.h"

#include <math.h>

#include "cli/json_put.h"

/* Members are added without a check after each: a failed one makes its object NULL, that one's
 * place fails, and so on up to the whole. */
static json_t *real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *count(size_t value) {
    return json_integer((json_int_t)value);
}

/* Names come from a database that anything may have written: what is no UTF-8 is told as such. */
static json_t *text(const char *value) {
    json_t *out = json_string(value != NULL ? value : "");
    return out != NULL ? out : json_string("(not UTF-8)");
}

static json_t *value_of(const cb_compare_value *v) {
    return json_pack("{sI so sI}", "seed", (json_int_t)v->seed, "value", real(v->value), "trial",
                     (json_int_t)v->trial_id);
}

static json_t *budget_of(const cb_compare_budget *b) {
    return json_pack("{so sI sI sI sI sI so so so}", "settings", count(b->settings), "trials",
                     (json_int_t)b->trials, "done", (json_int_t)b->done, "diverged",
                     (json_int_t)b->diverged, "failed", (json_int_t)b->failed, "open",
                     (json_int_t)b->open, "cpu_seconds", real(b->cpu_seconds), "wall_seconds",
                     real(b->wall_seconds), "flop", real(b->flop));
}

static json_t *cell_of(const cb_compare_cell *c) {
    json_t *values = json_array();
    for (size_t i = 0; i < c->n; i++)
        (void)json_array_append_new(values, value_of(&c->values[i]));
    return json_pack("{so so so sI so so ss so so so so so so so so so so so so sI sI so so}",
                     "cell", text(c->name), "text_sha256", text(c->text_sha256), "setting",
                     text(c->setting), "config", (json_int_t)c->config, "place", count(c->place),
                     "valid", real(c->valid), "over", cb_compare_over_name(c->over), "n",
                     count(c->n), "asked", count(c->asked), "diverged", count(c->diverged),
                     "failed", count(c->failed), "open", count(c->open), "not_finite",
                     count(c->not_finite), "repeated", count(c->repeated), "mean", real(c->mean),
                     "sd", real(c->sd), "low", real(c->low), "high", real(c->high), "values",
                     values, "hidden", (json_int_t)c->hidden, "params", (json_int_t)c->params,
                     "expected_best", real(c->expected_best), "budget", budget_of(&c->budget));
}

static json_t *pair_of(const cb_compare_task *task, const cb_compare_pair *p) {
    json_t *check = p->check == CB_COMPARE_TEST_AUTO
                        ? json_null()
                        : json_pack("{ss so so}", "test", cb_compare_test_name(p->check), "p",
                                    real(p->check_p), "p_least", real(p->check_least));
    return json_pack(
        "{so so ss sb so so sb so so so so so so so ss so so so so so so so so so so so so so so}",
        "a", text(task->cells[p->a].name), "b", text(task->cells[p->b].name), "verdict",
        cb_compare_verdict_name(p->verdict), "paired", p->paired, "n_a", count(p->n_a), "n_b",
        count(p->n_b), "is_log", p->is_log, "difference", real(p->difference), "low", real(p->low),
        "high", real(p->high), "ratio", real(p->ratio), "ratio_low", real(p->ratio_low),
        "ratio_high", real(p->ratio_high), "relative", real(p->relative), "test",
        cb_compare_test_name(p->test), "statistic", real(p->statistic), "dof", real(p->dof), "p",
        real(p->p), "p_holm", real(p->p_holm), "p_least", real(p->p_least), "check", check, "cliff",
        real(p->cliff), "cliff_low", real(p->cliff_low), "cliff_high", real(p->cliff_high),
        "p_equivalence", real(p->p_equivalence), "detectable", real(p->detectable), "seeds_needed",
        real(p->seeds_needed), "why", text(p->why), "words", text(p->words));
}

static json_t *task_of(const cb_compare_task *task) {
    json_t *cells = json_array(), *pairs = json_array(), *warnings = json_array();
    for (size_t i = 0; i < task->cell_count; i++)
        (void)json_array_append_new(cells, cell_of(&task->cells[i]));
    for (size_t i = 0; i < task->pair_count; i++)
        (void)json_array_append_new(pairs, pair_of(task, &task->pairs[i]));
    for (size_t i = 0; i < task->warning_count; i++)
        (void)json_array_append_new(
            warnings, json_pack("{ss so}", "kind", cb_compare_warning_name(task->warnings[i].kind),
                                "words", text(task->warnings[i].words)));
    return json_pack("{so so so so so so so so sb so so so so}", "study", text(task->study), "task",
                     text(task->task), "metric", text(task->metric), "trials", count(task->trials),
                     "done", count(task->done), "diverged", count(task->diverged), "failed",
                     count(task->failed), "open", count(task->open), "running", task->running,
                     "answer", text(task->answer), "cells", cells, "pairs", pairs, "warnings",
                     warnings);
}

static json_t *ranks_of(const cb_compare_ranks *r) {
    json_t *cells = json_array();
    for (size_t i = 0; i < r->cell_count; i++)
        (void)json_array_append_new(
            cells, json_pack("{so so}", "cell", text(r->names[i]), "rank", real(r->rank[i])));
    return json_pack("{so so so so so so so}", "tasks", count(r->block_count), "cells", cells,
                     "chi2", real(r->chi2), "f", real(r->f), "p", real(r->p), "critical",
                     real(r->critical), "words", text(r->words));
}

cb_status cbi_cli_compare_json(const cb_compare *c, cb_err *err) {
    json_t *tasks = json_array(), *notes = json_array();
    size_t expected = 0;
    for (size_t i = 0; i < c->task_count; i++, expected++)
        (void)json_array_append_new(tasks, task_of(&c->tasks[i]));
    for (size_t i = 0; i < c->note_count; i++)
        (void)json_array_append_new(notes, text(c->notes[i]));
    const int whole = json_array_size(tasks) == expected;
    json_t *all = json_pack("{so so so so so so}", "measure", text(c->measure), "level",
                            real(c->level), "equivalence", real(c->equivalence), "tasks", tasks,
                            "ranks", ranks_of(&c->ranks), "notes", notes);
    const int bad = all == NULL || !whole || cbi_cli_json_put(all) != 0;
    json_decref(all);
    return bad ? cb_fail(err, CB_ENOMEM, "the comparison as JSON") : CB_OK;
}
