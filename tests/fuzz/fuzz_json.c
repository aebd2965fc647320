/* SPDX-License-Identifier: MIT */
/*
 * JSON and tables of settings. What is accepted has a canonical text, and that text is a fixed
 * point: identities are hashes of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const cb_setting_def table[] = {
    {"rate", CB_SETTING_NUMBER, "0.1", 0, 1, NULL, 1, "a number"},
    {"epochs", CB_SETTING_INT, "10", 1, 1000, NULL, 1, "an integer"},
    {"clip", CB_SETTING_NUMBER, "null", 0, 1e9, NULL, 1, "may be left out"},
    {"rule", CB_SETTING_TEXT, "\"adam\"", 0, 0, "sgd adam", 1, "a choice"},
    {"table", CB_SETTING_TABLE, "{}", 0, 0, NULL, 0, "anything"},
    {.name = NULL},
};

static void check(int promise) {
    if (!promise)
        abort();
}

static char *canonical(const json_t *value) {
    char *text = NULL;
    check(cbi_json_canonical(&text, value, NULL) == CB_OK);
    return text;
}

static json_t *parse(const char *text) {
    json_t *value = NULL;
    check(cbi_json_parse(&value, text, strlen(text), "canonical", NULL) == CB_OK);
    return value;
}

static void check_settings(const json_t *given) {
    cb_err err = {0};
    json_t *once = NULL, *twice = NULL;
    if (cbi_settings_resolve(&once, table, given, "fuzz", &err) != CB_OK) {
        check(once == NULL && err.code == CB_EARG && err.text[0] != '\0');
        return;
    }
    check(cbi_settings_resolve(&twice, table, once, "fuzz", &err) == CB_OK);
    check(json_equal(once, twice));
    json_decref(once);
    json_decref(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    json_t *value = NULL;
    if (cbi_json_parse(&value, (const char *)bytes, size, "fuzz", &err) != CB_OK) {
        check(value == NULL && err.code == CB_EPARSE && err.text[0] != '\0');
        return 0;
    }
    char *text = canonical(value);
    json_t *again = parse(text);
    char *second = canonical(again);
    check(strcmp(text, second) == 0);
    check_settings(value);
    cbi_free(second);
    cbi_free(text);
    json_decref(again);
    json_decref(value);
    return 0;
}
