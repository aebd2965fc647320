/* SPDX-License-Identifier: MIT */
/* Tables of settings: defaults, conversions, identity, and a message for everything wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/settings.h"

static const cb_setting_def table[] = {
    {"rate", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1, "step size"},
    {"epochs", CB_SETTING_INT, "10", 1, 1000, NULL, 1, "most epochs"},
    {"clip", CB_SETTING_NUMBER, "null", 0, INFINITY, NULL, 1, "largest norm"},
    {"nesterov", CB_SETTING_BOOL, "false", 0, 0, NULL, 1, "kind of momentum"},
    {"optimiser", CB_SETTING_TEXT, "\"adam\"", 0, 0, "sgd adam rmsprop", 1, "rule"},
    {"file", CB_SETTING_TEXT, NULL, 0, 0, NULL, 0, "path"},
    {"decay", CB_SETTING_TABLE, "[]", 0, 0, NULL, 0, "steps"},
    {"offset", CB_SETTING_INT, "0", 0, 0, NULL, 0, "any integer"},
    {.name = NULL},
};

static json_t *parse(const char *text) {
    cb_err err = {0};
    json_t *value = NULL;
    if (cbi_json_parse(&value, text, strlen(text), "given", &err) != CB_OK)
        fail_msg("%s", err.text);
    return value;
}

static void check_canonical(json_t *value, const char *expected) {
    char *text = NULL;
    assert_int_equal(cbi_json_canonical(&text, value, NULL), CB_OK);
    assert_string_equal(text, expected);
    cbi_free(text);
}

static void expect_resolved(const char *given, const char *expected) {
    cb_err err = {0};
    json_t *in = parse(given), *out = NULL;
    if (cbi_settings_resolve(&out, table, in, "train", &err) != CB_OK)
        fail_msg("%s: %s", given, err.text);
    check_canonical(out, expected);
    json_decref(in);
    json_decref(out);
}

static void defaults_are_put_in(void **state) {
    (void)state;
    expect_resolved("{\"file\": \"x\"}",
                    "{\"clip\":null,\"decay\":[],\"epochs\":10,\"file\":\"x\",\"nesterov\":false,"
                    "\"offset\":0,\"optimiser\":\"adam\",\"rate\":0.10000000000000001}");
}

static void values_are_converted(void **state) {
    (void)state;
    expect_resolved("{\"file\": \"\", \"rate\": 1, \"epochs\": 3.0, \"clip\": 5,"
                    " \"nesterov\": true, \"optimiser\": \"sgd\", \"decay\": {\"a\": [1]},"
                    " \"offset\": -7}",
                    "{\"clip\":5.0,\"decay\":{\"a\":[1]},\"epochs\":3,\"file\":\"\","
                    "\"nesterov\":true,\"offset\":-7,\"optimiser\":\"sgd\",\"rate\":1.0}");
    expect_resolved("{\"file\": \"x\", \"clip\": null}",
                    "{\"clip\":null,\"decay\":[],\"epochs\":10,\"file\":\"x\",\"nesterov\":false,"
                    "\"offset\":0,\"optimiser\":\"adam\",\"rate\":0.10000000000000001}");
}

static void expect_error(const char *given, const char *message) {
    cb_err err = {0};
    json_t *in = parse(given), *out = in;
    assert_int_equal(cbi_settings_resolve(&out, table, in, "train", &err), CB_EARG);
    assert_null(out);
    assert_string_equal(err.text, message);
    json_decref(in);
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    expect_error("{\"file\":\"x\",\"epoch\":3}",
                 "train: unknown setting 'epoch', did you mean 'epochs'?");
    expect_error("{\"file\":\"x\",\"zzzzz\":3}",
                 "train: unknown setting 'zzzzz'; known are: rate, epochs, clip, nesterov, "
                 "optimiser, file, decay, offset");
    expect_error("{}", "train: file must be given: a text");
    expect_error("[]", "train: file must be given: a text");
    expect_error("[1]", "train: expected a table of settings by name");
    expect_error("3", "train: expected a table of settings by name");
    expect_error("{\"file\":3}", "train: file: expected a text, got 3");
    expect_error("{\"file\":null}", "train: file: expected a text, got null");
    expect_error("{\"file\":\"x\",\"rate\":\"0.1\"}",
                 "train: rate: expected a number from 0 to 1, got \"0.1\"");
    expect_error("{\"file\":\"x\",\"rate\":1.5}",
                 "train: rate: expected a number from 0 to 1, got 1.5");
    expect_error("{\"file\":\"x\",\"clip\":-1}",
                 "train: clip: expected a number, at least 0, got -1");
    expect_error("{\"file\":\"x\",\"epochs\":0}",
                 "train: epochs: expected an integer from 1 to 1000, got 0");
    expect_error("{\"file\":\"x\",\"epochs\":2.5}",
                 "train: epochs: expected an integer from 1 to 1000, got 2.5");
    expect_error("{\"file\":\"x\",\"offset\":1e300}",
                 "train: offset: expected an integer, got 1.0000000000000001e+300");
    expect_error("{\"file\":\"x\",\"nesterov\":1}",
                 "train: nesterov: expected true or false, got 1");
    expect_error("{\"file\":\"x\",\"decay\":1}", "train: decay: expected a table, got 1");
    expect_error("{\"file\":\"x\",\"optimiser\":\"adma\"}",
                 "train: optimiser: expected one of: sgd adam rmsprop, got \"adma\", did you mean "
                 "'adam'?");
}

/* A choice is a whole word of the list. */
static void parts_of_choices_are_none(void **state) {
    static const char *const words[] = {"ada", "dam", "sgd adam", "", " ", "prop"};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        cb_err err = {0};
        json_t *out = NULL, *in = json_pack("{s:s, s:s}", "file", "x", "optimiser", words[i]);
        assert_int_equal(cbi_settings_resolve(&out, table, in, "train", &err), CB_EARG);
        json_decref(in);
    }
}

static void input_is_left_alone(void **state) {
    json_t *out = NULL;
    (void)state;
    json_t *in = parse("{\"file\": \"x\", \"rate\": 1, \"decay\": {\"a\": 1}}");
    json_t *copy = json_deep_copy(in);
    assert_int_equal(cbi_settings_resolve(&out, table, in, "train", NULL), CB_OK);
    json_object_set_new(json_object_get(out, "decay"), "b", json_true());
    assert_true(json_equal(in, copy));
    json_decref(out);
    json_decref(copy);
    json_decref(in);
    assert_int_equal(cbi_settings_resolve(&out, table, NULL, "train", NULL), CB_EARG);
}

static void identity_is_a_part(void **state) {
    cb_err err = {0};
    json_t *out = NULL, *part = NULL;
    (void)state;
    json_t *in = parse("{\"file\": \"x\", \"decay\": [1]}");
    assert_int_equal(cbi_settings_resolve(&out, table, in, "train", NULL), CB_OK);
    assert_int_equal(cbi_settings_identity(&part, table, out, NULL), CB_OK);
    check_canonical(part, "{\"clip\":null,\"epochs\":10,\"nesterov\":false,"
                          "\"optimiser\":\"adam\",\"rate\":0.10000000000000001}");
    json_decref(part);
    assert_int_equal(cbi_settings_identity(&part, table, in, &err), CB_EINTERNAL);
    assert_null(part);
    json_decref(out);
    json_decref(in);
}

/* A setting that came later: absent from the identity as long as it is what it always was. */
static void later_settings_count_when_changed(void **state) {
    static const cb_setting_def grown[] = {
        {"rate", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1, "step size"},
        {"decay", CB_SETTING_NUMBER, "1", 0, 1, NULL, 2, "came later"},
        {"noise", CB_SETTING_NUMBER, "null", 0, 1, NULL, 2, "came later"},
        {.name = NULL},
    };
    static const char *const cases[][2] = {
        {"{}", "{\"rate\":0.10000000000000001}"},
        {"{\"decay\": 1, \"noise\": null}", "{\"rate\":0.10000000000000001}"},
        {"{\"decay\": 0, \"rate\": 1}", "{\"decay\":0.0,\"rate\":1.0}"},
        {"{\"noise\": 0}", "{\"noise\":0.0,\"rate\":0.10000000000000001}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *in = parse(cases[i][0]), *out = NULL, *part = NULL;
        assert_int_equal(cbi_settings_resolve(&out, grown, in, "train", NULL), CB_OK);
        assert_int_equal(cbi_settings_identity(&part, grown, out, NULL), CB_OK);
        check_canonical(part, cases[i][1]);
        json_decref(part);
        json_decref(out);
        json_decref(in);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_put_in),
        cmocka_unit_test(values_are_converted),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(parts_of_choices_are_none),
        cmocka_unit_test(input_is_left_alone),
        cmocka_unit_test(identity_is_a_part),
        cmocka_unit_test(later_settings_count_when_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
