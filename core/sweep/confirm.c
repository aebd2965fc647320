/* SPDX-License-Identifier: MIT */
/*
 * Confirmation: the view `ranking` of the store says which settings are the best of a cell and
 * whether all of its trials have come to an end, the same for every process that asks. What this
 * process cannot make, because another one has registered another edition of the study, it leaves
 * to that one.
 */
#include "sweep/confirm.h"

#include <string.h>

#include "base/alloc.h"

typedef struct winner {
    size_t index; /* of one of its trials in the study's list */
    int64_t config, position;
} winner;

typedef struct winners {
    winner *rows;
    size_t count, capacity;
} winners;

/* Settings of cells whose trials are all finished, the best `top` of each: its place, its number,
 * how many of its trials are done, and the key of one of them. */
static const char sql[] =
    "SELECT r.cell, r.place, r.config, r.done, (SELECT t.key FROM study_trial AS s JOIN trial AS t"
    " USING (trial_id) JOIN cell AS c ON c.cell_id = s.cell_id WHERE s.study_id = r.study_id AND"
    " s.config = r.config AND s.role = 'first' AND s.retired = 0 AND c.name = r.cell"
    " ORDER BY s.position LIMIT 1)"
    " FROM ranking AS r WHERE r.study_id = ?1 AND r.open = 0 AND r.place <= ?2";

static int text_of(cb_value value, char *out, size_t size) {
    if (value.type != CB_VALUE_TEXT || value.length >= size)
        return 0;
    memcpy(out, value.text, value.length);
    out[value.length] = '\0';
    return 1;
}

static cb_status take_row(const cb_study *study, cbi_plan *plan, cb_query *query, winners *found,
                          cb_err *err) {
    char key[sizeof plan->items->key];
    int64_t place = cb_query_column(query, 1).integer, done = cb_query_column(query, 3).integer;
    const cbi_plan_item *item =
        text_of(cb_query_column(query, 4), key, sizeof key) ? cbi_plan_find(plan, key) : NULL;
    if (item == NULL)
        return CB_OK;
    plan->cells[item->cell].decided = 1;
    if (done == 0)
        return CB_OK;
    cb_status st =
        cbi_grow((void **)&found->rows, &found->capacity, found->count + 1, sizeof *found->rows);
    if (st != CB_OK)
        return cb_fail(err, st, "no memory");
    /* Behind the list: by cell, then place, then seed. */
    size_t number = item->cell * study->confirm_top + (size_t)place - 1;
    found->rows[found->count++] =
        (winner){.index = item->index,
                 .config = cb_query_column(query, 2).integer,
                 .position = (int64_t)(study->count + number * study->confirm_seeds)};
    return CB_OK;
}

static cb_status find_winners(cbi_plan *plan, cb_store *store, const cb_study *study,
                              int64_t study_id, winners *found, cb_err *err) {
    const cb_value values[] = {
        {.type = CB_VALUE_INT, .integer = study_id},
        {.type = CB_VALUE_INT, .integer = (int64_t)study->confirm_top},
    };
    cb_query *query = NULL;
    int has_row;
    cb_status st = cb_query_open(&query, store, sql, values, 2, err);
    if (st != CB_OK)
        return st;
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        if ((st = take_row(study, plan, query, found, err)) != CB_OK)
            break;
    cb_query_close(query);
    return st;
}

cb_status cbi_confirm(cbi_plan *plan, cb_store *store, const cb_study *study, int64_t study_id,
                      cb_again again, int64_t *added, cb_err *err) {
    winners found = {0};
    *added = 0;
    if (study->confirm_top == 0 || study->confirm_seeds == 0)
        return CB_OK;
    for (size_t i = 0; i < plan->cell_count; i++)
        plan->cells[i].decided = 0;
    cb_status st = find_winners(plan, store, study, study_id, &found, err);
    for (size_t i = 0; st == CB_OK && i < found.count; i++) {
        int64_t now;
        st = cbi_plan_confirm(plan, store, study, study_id, found.rows[i].index,
                              found.rows[i].config, found.rows[i].position, again, &now, err);
        *added += now;
    }
    cbi_free(found.rows);
    return st;
}
