/* SPDX-License-Identifier: MIT */
/* The allocation table, checked sizes, aligned and growing blocks. */
#include "faults.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/json.h"
#include "base/settings.h"
#include "base/text.h"

static void sizes_are_checked(void **state) {
    size_t out = 1;
    (void)state;
    assert_int_equal(cb_size_mul(6, 7, &out), CB_OK);
    assert_int_equal(out, 42);
    assert_int_equal(cb_size_mul(SIZE_MAX, 0, &out), CB_OK);
    assert_int_equal(out, 0);
    out = 1;
    assert_int_equal(cb_size_mul(SIZE_MAX / 2 + 1, 2, &out), CB_ESHAPE);
    assert_int_equal(out, 0);
    assert_int_equal(cb_size_add(SIZE_MAX - 1, 1, &out), CB_OK);
    assert_int_equal(out, SIZE_MAX);
    assert_int_equal(cb_size_add(SIZE_MAX, 1, &out), CB_ESHAPE);
    assert_int_equal(out, 0);
}

static void table_is_used(void **state) {
    faults f = {0};
    cb_allocator table = {faults_resize, faults_release, &f};
    (void)state;
    cb_memory_set(&table);
    void *empty = cbi_malloc(0), *aligned = cbi_aligned_calloc(3, 5);
    char *copy = cbi_strndup("abcdef", 3);
    assert_non_null(empty);
    assert_non_null(aligned);
    assert_string_equal(copy, "abc");
    assert_int_equal(f.alive, 3);
    cb_free(empty);
    cbi_aligned_free(aligned);
    cbi_free(copy);
    cb_free(NULL);
    cbi_aligned_free(NULL);
    assert_int_equal(f.alive, 0);
    cb_memory_set(NULL);
    cbi_free(cbi_malloc(1));
    assert_int_equal(f.calls, 3);
}

static void absurd_sizes_are_refused(void **state) {
    (void)state;
    assert_null(cbi_malloc(SIZE_MAX));
    assert_null(cbi_calloc(SIZE_MAX / 2, 4));
    assert_null(cbi_aligned_calloc(SIZE_MAX / 2, 4));
    assert_null(cbi_aligned_calloc(SIZE_MAX, 1));
}

static void aligned_blocks_are_aligned_and_zero(void **state) {
    static const size_t sizes[] = {
        0, 1, 63, 64, 4097, ((size_t)2 << 20) - 1, (size_t)2 << 20, ((size_t)4 << 20) + 8};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned char *block = cbi_aligned_calloc(sizes[i], 1);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t k = 0; k < sizes[i]; k++)
            if (block[k] != 0)
                fail_msg("size %zu: byte %zu is %d", sizes[i], k, block[k]);
        memset(block, 0xa5, sizes[i]);
        cbi_aligned_free(block);
    }
}

static void growing_keeps_content(void **state) {
    int *block = NULL;
    size_t capacity = 0;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(cbi_grow((void **)&block, &capacity, (size_t)i + 1, sizeof *block), CB_OK);
        assert_true(capacity > (size_t)i);
        block[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(block[i], i);
    int *before = block;
    size_t kept = capacity;
    assert_int_equal(cbi_grow((void **)&block, &capacity, SIZE_MAX / 2, sizeof *block), CB_ESHAPE);
    assert_int_equal(cbi_grow((void **)&block, &capacity, PTRDIFF_MAX / 4 + 1, sizeof *block),
                     CB_ENOMEM);
    assert_ptr_equal(block, before);
    assert_int_equal(capacity, kept);
    cbi_free(block);
}

static cb_status build_text(void *context) {
    cbi_text text = {0};
    char *out = NULL;
    (void)context;
    for (int i = 0; i < 40; i++) {
        cbi_text_addf(&text, "%d,", i);
        cbi_text_add(&text, "a piece of some length, ");
    }
    cb_status st = cbi_text_take(&text, &out, NULL);
    if (st == CB_OK)
        assert_int_equal(strlen(out), 40 * 24 + 10 * 2 + 30 * 3);
    else
        assert_null(out);
    cbi_free(out);
    return st;
}

static void text_survives_shortage(void **state) {
    (void)state;
    assert_true(faults_run(build_text, NULL) > 3);
}

static const char document[] =
    "{\"a long name that makes the lexer's buffer grow\": [1, 2.5, -0.0, \"\\u00e4 tab\\t\"],"
    " \"b\": {\"c\": [[], {}, null, true, false]}, \"d\": 12345678901234567890e3}";

static cb_status parse_and_write(void *context) {
    json_t *value = NULL;
    char *text = NULL;
    (void)context;
    cb_status st = cbi_json_parse(&value, document, sizeof document - 1, "doc", NULL);
    if (st == CB_OK)
        st = cbi_json_canonical(&text, value, NULL);
    else
        assert_null(value);
    json_decref(value);
    cbi_free(text);
    return st;
}

static void json_survives_shortage(void **state) {
    (void)state;
    assert_true(faults_run(parse_and_write, NULL) > 20);
}

static const cb_setting_def table[] = {
    {"rate", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1, "step"},
    {"epochs", CB_SETTING_INT, "10", 1, 1000, NULL, 1, "most epochs"},
    {"optimiser", CB_SETTING_TEXT, "\"adam\"", 0, 0, "sgd adam", 1, "rule"},
    {"layers", CB_SETTING_TABLE, "[1, 2]", 0, 0, NULL, 0, "list"},
    {.name = NULL},
};

static cb_status resolve(void *context) {
    json_t *settings = NULL, *identity = NULL;
    cb_status st = cbi_settings_resolve(&settings, table, context, "train", NULL);
    if (st == CB_OK)
        st = cbi_settings_identity(&identity, table, settings, NULL);
    json_decref(identity);
    json_decref(settings);
    return st;
}

static void settings_survive_shortage(void **state) {
    (void)state;
    json_t *given = json_pack("{s:i, s:f}", "rate", 1, "epochs", 3.0);
    assert_true(faults_run(resolve, given) > 5);
    json_decref(given);
}

static cb_status explain(void *context) {
    cb_err err = {0};
    json_t *settings = NULL;
    cb_status st = cbi_settings_resolve(&settings, table, context, "train", &err);
    assert_null(settings);
    return st == CB_EARG ? CB_OK : st;
}

/* A message that cannot be built in full may be shorter, but the call must not succeed. */
static void messages_survive_shortage(void **state) {
    (void)state;
    json_t *given = json_pack("{s:s}", "optimiser", "adma");
    assert_true(faults_run(explain, given) > 1);
    json_decref(given);
}

static cb_status write_and_read(void *context) {
    char *data = NULL;
    size_t length = 0;
    cb_status st = cbi_file_write(context, "some bytes", 10, NULL);
    if (st == CB_OK)
        st = cbi_file_read(&data, &length, context, 100, NULL);
    if (st == CB_OK)
        assert_string_equal(data, "some bytes");
    cbi_free(data);
    return st;
}

static void files_survive_shortage(void **state) {
    char path[] = "test_memory.tmp";
    (void)state;
    assert_true(faults_run(write_and_read, path) > 2);
    assert_int_equal(remove(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(table_is_used),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(aligned_blocks_are_aligned_and_zero),
        cmocka_unit_test(growing_keeps_content),
        cmocka_unit_test(text_survives_shortage),
        cmocka_unit_test(json_survives_shortage),
        cmocka_unit_test(settings_survive_shortage),
        cmocka_unit_test(messages_survive_shortage),
        cmocka_unit_test(files_survive_shortage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
