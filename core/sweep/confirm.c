/* SPDX-License-Identifier: MIT */
/*
 * Confirmation: the view `ranking` of the store says which settings are the best of a cell and
 * whether all of its trials have come to an end, the same for every process that asks.
 */
#include "sweep/confirm.h"

#include "base/alloc.h"

typedef struct winner {
    int64_t first;    /* place in the list of one of its trials */
    int64_t config;   /* a setting that was drawn twice has the number of its first draw */
    int64_t position; /* of its first confirmation, behind the list */
} winner;

typedef struct winners {
    winner *rows;
    size_t count, capacity;
} winners;

/* The best ?2 settings of each cell whose trials are all finished: cell and its place among those
 * of the list, place, number, how many of the setting's trials are done, the first of them. */
static const char sql[] =
    "WITH listed AS MATERIALIZED (SELECT c.name AS cell, s.config, min(s.position) AS position"
    " FROM study_trial AS s JOIN cell AS c ON c.cell_id = s.cell_id"
    " WHERE s.study_id = ?1 AND s.role = 'first' AND s.retired = 0 GROUP BY c.name, s.config),"
    " numbered AS (SELECT cell, row_number() OVER (ORDER BY min(position)) - 1 AS number"
    " FROM listed GROUP BY cell)"
    " SELECT r.cell, n.number, r.place, r.config, r.done, l.position FROM ranking AS r"
    " JOIN numbered AS n ON n.cell = r.cell"
    " JOIN listed AS l ON l.cell = r.cell AND l.config = r.config"
    " WHERE r.study_id = ?1 AND r.open = 0 AND r.place <= ?2";

static cb_status take_row(const cb_study *study, cbi_tracker *tracker, cb_query *query,
                          winners *found, cb_err *err) {
    int64_t number = cb_query_column(query, 1).integer, place = cb_query_column(query, 2).integer;
    const cb_value cell = cb_query_column(query, 0);
    cb_status st = cbi_tracker_decided(tracker, &cell, err);
    if (st != CB_OK || cb_query_column(query, 4).integer == 0)
        return st;
    st = cbi_grow((void **)&found->rows, &found->capacity, found->count + 1, sizeof *found->rows);
    if (st != CB_OK)
        return cb_fail(err, st, "no memory");
    /* Behind the list: by cell, then place, then seed. */
    number = number * (int64_t)study->confirm_top + place - 1;
    found->rows[found->count++] = (winner){
        .first = cb_query_column(query, 5).integer,
        .config = cb_query_column(query, 3).integer,
        .position = (int64_t)study->count + number * (int64_t)study->confirm_seeds,
    };
    return CB_OK;
}

static cb_status find_winners(const cbi_list *list, cbi_tracker *tracker, winners *found,
                              cb_err *err) {
    const cb_value values[] = {
        {.type = CB_VALUE_INT, .integer = list->study_id},
        {.type = CB_VALUE_INT, .integer = (int64_t)list->study->confirm_top},
    };
    cb_query *query = NULL;
    int has_row;
    cb_status st = cb_query_open(&query, list->store, sql, values, 2, err);
    if (st != CB_OK)
        return st;
    while ((st = cb_query_next(query, &has_row, err)) == CB_OK && has_row)
        if ((st = take_row(list->study, tracker, query, found, err)) != CB_OK)
            break;
    cb_query_close(query);
    return st;
}

static cb_status write_window(cbi_list *list, int64_t position, cb_added *added, cb_err *err) {
    cb_added now;
    cbi_window *w = list->window;
    cb_status st = cb_store_study_confirm(list->store, list->study_id, position, w->infos, w->count,
                                          list->again, &now, err);
    added->linked += now.linked;
    added->requeued += now.requeued;
    added->other_numerics += now.other_numerics;
    cbi_window_clear(w);
    return st;
}

static cb_status add_winner(cbi_list *list, const winner *of, cb_added *added, cb_err *err) {
    cb_status st = CB_OK;
    const size_t seeds = list->study->confirm_seeds;
    for (size_t k = 0; st == CB_OK && k < seeds; k++) {
        cbi_window *w = list->window;
        if ((st = cbi_window_add_fresh(w, list->study, (size_t)of->first, k, err)) != CB_OK)
            break;
        w->infos[w->count - 1].config = of->config;
        if (w->count == CBI_WINDOW_MOST || k + 1 == seeds)
            st = write_window(list, of->position + (int64_t)(k + 1 - w->count), added, err);
    }
    cbi_window_clear(list->window);
    return st;
}

cb_status cbi_confirm(cbi_list *list, cbi_tracker *tracker, cb_added *added, cb_err *err) {
    winners found = {0};
    *added = (cb_added){0};
    if (list->study->confirm_top == 0 || list->study->confirm_seeds == 0 || list->superseded)
        return CB_OK;
    cb_status st = find_winners(list, tracker, &found, err);
    for (size_t i = 0; st == CB_OK && i < found.count; i++)
        st = add_winner(list, &found.rows[i], added, err);
    cbi_free(found.rows);
    return st;
}
