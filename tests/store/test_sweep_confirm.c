/* SPDX-License-Identifier: MIT */
/* Confirmation of the best settings with fresh seeds. */
#include "store/sweep_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"

static const char links_sql[] =
    "SELECT s.position, s.config, s.role, s.retired, c.name, t.seed, t.state, t.key, a.test FROM "
    "study_trial AS s JOIN trial AS t USING (trial_id) JOIN cell AS c ON c.cell_id = s.cell_id "
    "JOIN attempt AS a ON a.attempt_id = t.result_attempt_id ORDER BY s.position";

static void assert_confirms(const char *db, watcher *w, size_t jobs, size_t top) {
    cb_sweep_options options = options_for(w, jobs);
    int64_t failed;
    cb_err err = {0};
    if (run_confirmed(db, &options, 0, top, &failed, &err) != CB_OK)
        fail_msg("%s", err.text);
    assert_int_equal(failed, 0);
    assert_no_children();
}

static void test_confirm(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    path_of(db, sizeof db, "confirm.db");
    assert_confirms(db, &w, 2, 2);
    assert_int_equal(w.last.here_done, TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(w.last.counts.total + w.last.awaited, TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(w.last.awaited, 0);
    /* The two settings of each cell with the best means, and they alone, with seeds of their own.
     */
    assert_int_equal(query_number(db, "SELECT count(*) FROM study_trial WHERE role = 'confirm'"),
                     CELLS * 2 * FRESH);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM study_trial AS s JOIN trial AS t USING (trial_id) "
                         "JOIN cell AS c ON c.cell_id = s.cell_id JOIN ranking AS r ON "
                         "r.cell = c.name AND r.config = s.config WHERE s.role = 'confirm' AND "
                         "r.place <= 2 AND t.seed BETWEEN 7 AND 9 AND t.state = 'done'"),
        CELLS * 2 * FRESH);
    assert_int_equal(query_number(db, "SELECT count(DISTINCT position) FROM study_trial"),
                     TRIALS + CELLS * 2 * FRESH);
    assert_int_equal(
        query_number(db, "SELECT count(*) FROM leaderboard WHERE over = 'confirm' AND seeds = 3"),
        CELLS);
    /* Again: nothing to do, nothing changed. */
    char *links = query_text(db, links_sql);
    w = (watcher){0};
    assert_confirms(db, &w, 1, 2);
    assert_int_equal(w.last.here_done, 0);
    char *again = query_text(db, links_sql);
    assert_string_equal(again, links);
    cbi_free(again);
    cbi_free(links);
    /* One setting fewer: its confirmations are retired, their results stay. */
    assert_confirms(db, &w, 1, 1);
    assert_int_equal(query_number(db, "SELECT count(*) FROM study_trial WHERE role = 'confirm' AND "
                                      "retired = 0"),
                     CELLS * FRESH);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt"), TRIALS + CELLS * 2 * FRESH);
}

/* Two coordinators, one of them killed, then others: the same trials with the same bits as one
 * alone, and none twice. */
static void test_confirm_disturbed(void **state) {
    (void)state;
    char db[128];
    watcher w = {0};
    path_of(db, sizeof db, "alone.db");
    assert_confirms(db, &w, 1, 1);
    char *alone = query_text(db, links_sql);
    path_of(db, sizeof db, "disturbed.db");
    pid_t one = start_confirming(db, "1", TRIALS / 2, "1");
    pid_t two = start_confirming(db, "1", 0, "1");
    wait_status(one);
    assert_int_equal(wait_status(two), 0);
    assert_orphans_end();
    char *disturbed = query_text(db, links_sql);
    assert_string_equal(disturbed, alone);
    cbi_free(disturbed);
    /* Killed in the middle of confirming. */
    path_of(db, sizeof db, "killed.db");
    assert_true(WIFSIGNALED(wait_status(start_confirming(db, "1", TRIALS + 2, "1"))));
    assert_orphans_end();
    assert_confirms(db, &w, 2, 1);
    disturbed = query_text(db, links_sql);
    assert_string_equal(disturbed, alone);
    assert_int_equal(query_number(db, "SELECT count(*) FROM attempt WHERE state = 'done'"),
                     TRIALS + CELLS * FRESH);
    cbi_free(disturbed);
    cbi_free(alone);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_confirm),
        cmocka_unit_test(test_confirm_disturbed),
    };
    return fixture_main(argc, argv, tests);
}
