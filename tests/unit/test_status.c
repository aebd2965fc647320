/* SPDX-License-Identifier: MIT */
/* Status codes keep their numbers, and error texts are bounded, whole and prefixed in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cellbench/status.h"

/* The numbers are in databases: a change here is a change of their meaning. */
static void numbers_are_pinned(void **state) {
    static const struct {
        cb_status status;
        int number;
        const char *name;
    } rows[] = {
        {CB_OK, 0, "CB_OK"},
        {CB_ENOMEM, 1, "CB_ENOMEM"},
        {CB_ESHAPE, 2, "CB_ESHAPE"},
        {CB_EARG, 3, "CB_EARG"},
        {CB_EIO, 4, "CB_EIO"},
        {CB_EPARSE, 5, "CB_EPARSE"},
        {CB_EDATA, 6, "CB_EDATA"},
        {CB_EBUSY, 7, "CB_EBUSY"},
        {CB_ESTORE, 8, "CB_ESTORE"},
        {CB_ECANCEL, 9, "CB_ECANCEL"},
        {CB_EINTERNAL, 10, "CB_EINTERNAL"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal((int)rows[i].status, rows[i].number);
        assert_string_equal(cb_status_name(rows[i].status), rows[i].name);
    }
    assert_string_equal(cb_status_name((cb_status)11), "unknown status");
    assert_string_equal(cb_status_name((cb_status)-1), "unknown status");
}

static void text_is_formatted(void **state) {
    cb_err err;
    (void)state;
    assert_int_equal(cb_fail(&err, CB_ESHAPE, "hidden: expected >= %d, got %d", 1, 0), CB_ESHAPE);
    assert_int_equal(err.code, CB_ESHAPE);
    assert_string_equal(err.text, "hidden: expected >= 1, got 0");
    assert_int_equal(cb_fail(&err, CB_EARG, "again: %s", err.text), CB_EARG);
    assert_string_equal(err.text, "again: hidden: expected >= 1, got 0");
}

static void null_is_allowed(void **state) {
    (void)state;
    assert_int_equal(cb_fail(NULL, CB_EIO, "%s", "unseen"), CB_EIO);
    assert_int_equal(cb_fail_prefix(NULL, CB_EDATA, "unseen"), CB_EDATA);
}

static void prefix_keeps_the_code(void **state) {
    cb_err err;
    (void)state;
    (void)cb_fail(&err, CB_EPARSE, "line 3");
    assert_int_equal(cb_fail_prefix(&err, CB_EIO, "cell '%s': ", "gru"), CB_EPARSE);
    assert_string_equal(err.text, "cell 'gru': line 3");
}

static void long_text_is_cut(void **state) {
    static char longer[2 * CB_ERR_TEXT];
    cb_err err;
    (void)state;
    memset(longer, 'x', sizeof longer - 1);
    (void)cb_fail(&err, CB_EARG, "%s", longer);
    assert_int_equal(strlen(err.text), CB_ERR_TEXT - 1);
    (void)cb_fail_prefix(&err, CB_EARG, "ab");
    assert_int_equal(strlen(err.text), CB_ERR_TEXT - 1);
    assert_memory_equal(err.text, "abxxx", 5);
}

/* Texts end up in SQLite and JSON: a cut must not leave half a character. */
static void cut_keeps_utf8_whole(void **state) {
    static const char *const letters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9d\x84\x9e"};
    (void)state;
    for (size_t kind = 0; kind < 3; kind++) {
        size_t size = strlen(letters[kind]);
        for (size_t shift = 0; shift < size; shift++) {
            static char text[2 * CB_ERR_TEXT];
            cb_err err;
            memset(text, '.', shift);
            for (size_t at = shift; at + size < sizeof text; at += size)
                memcpy(text + at, letters[kind], size + 1);
            (void)cb_fail(&err, CB_EDATA, "%s", text);
            size_t length = strlen(err.text);
            assert_int_equal((length - shift) % size, 0);
            assert_in_range(length, CB_ERR_TEXT - size, CB_ERR_TEXT - 1);
            (void)cb_fail_prefix(&err, CB_EDATA, "%.*s", (int)shift, "....");
            assert_int_equal((strlen(err.text) - 2 * shift) % size, 0);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_pinned), cmocka_unit_test(text_is_formatted),
        cmocka_unit_test(null_is_allowed),    cmocka_unit_test(prefix_keeps_the_code),
        cmocka_unit_test(long_text_is_cut),   cmocka_unit_test(cut_keeps_utf8_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
