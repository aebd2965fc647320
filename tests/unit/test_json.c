/* SPDX-License-Identifier: MIT */
/* JSON: the canonical form that is hashed, and errors that say where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"

static json_t *parse(const char *text) {
    cb_err err = {0};
    json_t *value = NULL;
    if (cbi_json_parse(&value, text, strlen(text), "text", &err) != CB_OK)
        fail_msg("%s", err.text);
    return value;
}

static void check_canonical(const char *text, const char *expected) {
    json_t *value = parse(text);
    char *out = NULL;
    assert_int_equal(cbi_json_canonical(&out, value, NULL), CB_OK);
    assert_string_equal(out, expected);
    cbi_free(out);
    json_decref(value);
}

static void canonical_form(void **state) {
    (void)state;
    check_canonical(" { \"b\" : 1, \"a\":[ true,false , null ] } ",
                    "{\"a\":[true,false,null],\"b\":1}");
    check_canonical("{\"aa\":1,\"a\":2,\"B\":3,\"a b\":4}", "{\"B\":3,\"a\":2,\"a b\":4,\"aa\":1}");
    check_canonical("[{}, [], \"\"]", "[{},[],\"\"]");
    check_canonical("[1.0, 1e3, -0.0, 0.1, 1e300, 2.5e-7]",
                    "[1.0,1000.0,0.0,0.10000000000000001,1.0000000000000001e+300,"
                    "2.4999999999999999e-07]");
    check_canonical("[-9223372036854775808, 9223372036854775807, -0]",
                    "[-9223372036854775808,9223372036854775807,0]");
    check_canonical("7", "7");
    check_canonical("\"x\"", "\"x\"");
}

static void canonical_strings(void **state) {
    (void)state;
    check_canonical("\"\\u00e4\\ud834\\udd1e\\/\"", "\"\xc3\xa4\xf0\x9d\x84\x9e/\"");
    check_canonical("\"\\\"\\\\\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\"",
                    "\"\\\"\\\\\\n\\t\\r\\b\\f\\u0001\\u001f\x7f\"");
    check_canonical("{\"\\u00fc\":1,\"z\":2}", "{\"z\":2,\"\xc3\xbc\":1}");
}

/* What was written reads back as the same value, and is written the same again. */
static void canonical_form_is_stable(void **state) {
    static const char text[] =
        "{\"b\":[0.30000000000000004,1e-320,12,\"\\u0007\"],\"a\":{\"y\":-1.5}}";
    char *once = NULL, *twice = NULL;
    (void)state;
    json_t *value = parse(text);
    assert_int_equal(cbi_json_canonical(&once, value, NULL), CB_OK);
    json_t *again = parse(once);
    assert_true(json_equal(value, again));
    assert_int_equal(cbi_json_canonical(&twice, again, NULL), CB_OK);
    assert_string_equal(once, twice);
    cbi_free(once);
    cbi_free(twice);
    json_decref(value);
    json_decref(again);
}

static void expect_error(const char *text, size_t length, const char *start, const char *piece) {
    cb_err err = {0};
    json_t *value = (json_t *)&err;
    assert_int_equal(cbi_json_parse(&value, text, length, "notes.json", &err), CB_EPARSE);
    assert_int_equal(err.code, CB_EPARSE);
    assert_null(value);
    if (strncmp(err.text, start, strlen(start)) != 0 || strstr(err.text, piece) == NULL)
        fail_msg("expected '%s' and '%s' in: %s", start, piece, err.text);
}

#define EXPECT_ERROR(text, start, piece) expect_error(text, sizeof(text) - 1, start, piece)

static void errors_say_where(void **state) {
    (void)state;
    EXPECT_ERROR("{\"a\": 1,\n \"b\": ?}", "notes.json: line 2, column 7", "invalid token");
    EXPECT_ERROR("[1, 2", "notes.json: line 1, column 5", "end of file");
    EXPECT_ERROR("", "notes.json: line 1, column 1", "end of file");
    EXPECT_ERROR("[1] 2", "notes.json: line 1", "end of file expected");
    EXPECT_ERROR("{\"a\": 1, \"a\": 2}", "notes.json: line 1", "duplicate");
    EXPECT_ERROR("[\"\xff\"]", "notes.json: line 1", "decode byte");
    EXPECT_ERROR("[\"a\0b\"]", "notes.json: line 1", "control character");
    EXPECT_ERROR("[NaN]", "notes.json: line 1", "invalid token");
    EXPECT_ERROR("[1e999]", "notes.json: line 1", "overflow");
    EXPECT_ERROR("[99999999999999999999]", "notes.json: line 1", "too big");
    EXPECT_ERROR("[\"\\ud800\"]", "notes.json: line 1", "Unicode");
}

static void nest(char *text, size_t depth) {
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
}

static void depth_is_limited(void **state) {
    char text[2 * 201 + 1];
    (void)state;
    nest(text, 200);
    check_canonical(text, text);
    nest(text, 201);
    expect_error(text, strlen(text), "notes.json: line 1, column 201", "deeper than 200");
    check_canonical("\"[[ \\\" [[\"", "\"[[ \\\" [[\"");
    static char many[100000];
    memset(many, '[', sizeof many);
    expect_error(many, sizeof many, "notes.json: line 1, column 201", "deeper than 200");
}

static void built_values_are_limited_too(void **state) {
    cb_err err = {0};
    char *out = NULL;
    (void)state;
    json_t *value = json_array();
    for (int i = 0; i < 200; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, value);
        value = outer;
    }
    assert_int_equal(cbi_json_canonical(&out, value, &err), CB_EARG);
    assert_null(out);
    json_decref(value);
    assert_int_equal(cbi_json_canonical(&out, NULL, &err), CB_EARG);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_form),           cmocka_unit_test(canonical_strings),
        cmocka_unit_test(canonical_form_is_stable), cmocka_unit_test(errors_say_where),
        cmocka_unit_test(depth_is_limited),         cmocka_unit_test(built_values_are_limited_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
