/* SPDX-License-Identifier: MIT */
/* Tables of settings: checks a JSON object against its table and puts defaults in. */
#include "base/settings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

static const cb_setting_def *find(const cb_setting_def *table, const char *name) {
    for (; table->name != NULL; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

static cb_status no_memory(cb_err *err, const char *where) {
    return cb_fail(err, CB_ENOMEM, "%s: no memory for its settings", where);
}

static cb_status unknown_key(const cb_setting_def *table, const char *name, const char *where,
                             cb_err *err) {
    cbi_near near;
    cbi_near_init(&near, name);
    cbi_text known = {0};
    for (const cb_setting_def *row = table; row->name != NULL; row++) {
        cbi_near_offer(&near, row->name);
        cbi_text_addf(&known, "%s%s", row == table ? "" : ", ", row->name);
    }
    cb_status st;
    if (near.best != NULL)
        st = cb_fail(err, CB_EARG, "%s: unknown setting '%s'%s", where, name, cbi_near_text(&near));
    else
        st = cb_fail(err, CB_EARG, "%s: unknown setting '%s'; known are: %s", where, name,
                     known.data != NULL && !known.failed ? known.data : "none");
    cbi_text_fini(&known);
    return st;
}

/* What was expected, for messages: "an integer from 1 to 100". */
static void describe(cbi_text *text, const cb_setting_def *row) {
    static const char *const nouns[] = {
        [CB_SETTING_INT] = "an integer",     [CB_SETTING_NUMBER] = "a number",
        [CB_SETTING_BOOL] = "true or false", [CB_SETTING_TEXT] = "a text",
        [CB_SETTING_TABLE] = "a table",
    };
    char low[32], high[32];
    int ranged = row->low != 0 || row->high != 0;
    if (row->type == CB_SETTING_TEXT && row->choices != NULL)
        cbi_text_addf(text, "one of: %s", row->choices);
    else
        cbi_text_add(text, nouns[row->type]);
    if (!ranged || (row->type != CB_SETTING_INT && row->type != CB_SETTING_NUMBER))
        return;
    if (isinf(row->high))
        cbi_text_addf(text, ", at least %s", cbi_number(low, row->low));
    else if (isinf(row->low))
        cbi_text_addf(text, ", at most %s", cbi_number(high, row->high));
    else
        cbi_text_addf(text, " from %s to %s", cbi_number(low, row->low),
                      cbi_number(high, row->high));
}

static cb_status wrong_value(const cb_setting_def *row, const json_t *value, const char *where,
                             cb_err *err) {
    cbi_text wanted = {0};
    cbi_near near = {0};
    char *got = NULL;
    cb_status st;
    describe(&wanted, row);
    if (row->choices != NULL && json_is_string(value)) {
        cbi_near_init(&near, json_string_value(value));
        /* Choices are short words; each is cut out for the comparison and kept by its place. */
        static const char blank[] = " ";
        char word[64], best[64] = "";
        for (const char *at = row->choices; *(at += strspn(at, blank)) != '\0';
             at += strcspn(at, blank)) {
            size_t before = near.distance;
            (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(at, blank), at);
            cbi_near_offer(&near, word);
            if (near.distance < before)
                memcpy(best, word, sizeof best);
        }
        if (near.best != NULL)
            near.best = best;
        (void)cbi_near_text(&near);
    }
    if ((st = cbi_json_canonical(&got, value, err)) != CB_OK)
        goto out;
    if (wanted.failed) {
        st = no_memory(err, where);
        goto out;
    }
    st = cb_fail(err, CB_EARG, "%s: %s: expected %s, got %.200s%s", where, row->name, wanted.data,
                 got, near.text);
out:
    cbi_text_fini(&wanted);
    cbi_free(got);
    return st;
}

static int in_range(const cb_setting_def *row, double value) {
    if (row->low == 0 && row->high == 0)
        return 1;
    return value >= row->low && value <= row->high;
}

static int is_choice(const char *choices, const char *word) {
    size_t n = strlen(word);
    if (choices == NULL)
        return 1;
    if (n == 0 || strchr(word, ' ') != NULL)
        return 0;
    for (const char *at = choices; (at = strstr(at, word)) != NULL; at += n)
        if ((at == choices || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return 1;
    return 0;
}

/* The value in the type of its row, or NULL with *fits = 0 where it is none of that type, or NULL
 * with *fits = 1 where there is no memory. */
static json_t *convert(const cb_setting_def *row, json_t *value, int *fits) {
    double number = json_number_value(value);
    *fits = 1;
    if (json_is_null(value) && row->fallback != NULL && strcmp(row->fallback, "null") == 0)
        return json_null();
    switch (row->type) {
    case CB_SETTING_INT:
        if (json_is_integer(value) && in_range(row, number))
            return json_incref(value);
        /* Up to 2^53 a double holds an integer exactly. */
        if (json_is_real(value) && number == floor(number) && fabs(number) <= 0x1p53 &&
            in_range(row, number))
            return json_integer((json_int_t)number);
        break;
    case CB_SETTING_NUMBER:
        if (json_is_number(value) && isfinite(number) && in_range(row, number))
            return json_real(number + 0.0); /* one zero: -0 + 0 is 0 */
        break;
    case CB_SETTING_BOOL:
        if (json_is_boolean(value))
            return json_incref(value);
        break;
    case CB_SETTING_TEXT:
        if (json_is_string(value) && is_choice(row->choices, json_string_value(value)))
            return json_incref(value);
        break;
    case CB_SETTING_TABLE:
        if (json_is_object(value) || json_is_array(value))
            return json_deep_copy(value);
        break;
    }
    *fits = 0;
    return NULL;
}

static cb_status resolve_row(json_t *into, const cb_setting_def *row, const json_t *given,
                             const char *where, cb_err *err) {
    cb_status st = CB_OK;
    int fits;
    json_t *parsed = NULL, *value = json_object_get(given, row->name), *converted;
    if (value == NULL && row->fallback == NULL) {
        cbi_text wanted = {0};
        describe(&wanted, row);
        st = wanted.failed
                 ? no_memory(err, where)
                 : cb_fail(err, CB_EARG, "%s: %s must be given: %s", where, row->name, wanted.data);
        cbi_text_fini(&wanted);
        return st;
    }
    if (value == NULL) {
        st = cbi_json_parse(&parsed, row->fallback, strlen(row->fallback), row->name, err);
        if (st != CB_OK)
            return st;
        value = parsed;
    }
    converted = convert(row, value, &fits);
    if (!fits)
        st = wrong_value(row, value, where, err);
    else if (converted == NULL || json_object_set_new(into, row->name, converted) != 0)
        st = no_memory(err, where);
    json_decref(parsed);
    return st;
}

cb_status cbi_settings_resolve(json_t **out, const cb_setting_def *table, const json_t *given,
                               const char *where, cb_err *err) {
    cb_status st = CB_OK;
    const char *key;
    json_t *value;
    *out = NULL;
    /* An empty Lua table is an array as much as an object. */
    if (json_is_array(given) && json_array_size(given) == 0)
        given = NULL;
    if (given != NULL && !json_is_object(given))
        return cb_fail(err, CB_EARG, "%s: expected a table of settings by name", where);
    json_t *settings = json_object();
    if (settings == NULL)
        return no_memory(err, where);
    json_object_foreach((json_t *)given, key, value) {
        (void)value;
        if (find(table, key) == NULL) {
            st = unknown_key(table, key, where, err);
            goto out;
        }
    }
    for (const cb_setting_def *row = table; row->name != NULL && st == CB_OK; row++)
        st = resolve_row(settings, row, given, where, err);
    if (st == CB_OK) {
        *out = settings;
        settings = NULL;
    }
out:
    json_decref(settings);
    return st;
}

/* Whether a value is what its row puts in where none is given. */
static cb_status is_default(int *out, const cb_setting_def *row, const json_t *value, cb_err *err) {
    int fits;
    json_t *parsed, *fallback;
    *out = 0;
    if (row->fallback == NULL)
        return CB_OK;
    cb_status st = cbi_json_parse(&parsed, row->fallback, strlen(row->fallback), row->name, err);
    if (st != CB_OK)
        return st;
    fallback = convert(row, parsed, &fits);
    json_decref(parsed);
    if (fallback == NULL)
        return no_memory(err, "identity");
    *out = json_equal(fallback, value);
    json_decref(fallback);
    return CB_OK;
}

cb_status cbi_settings_identity(json_t **out, const cb_setting_def *table, const json_t *resolved,
                                cb_err *err) {
    cb_status st = CB_OK;
    *out = NULL;
    json_t *part = json_object();
    if (part == NULL)
        return no_memory(err, "identity");
    for (const cb_setting_def *row = table; row->name != NULL; row++) {
        json_t *value = json_object_get(resolved, row->name);
        int as_ever = 0;
        if (!row->identity)
            continue;
        if (value == NULL) {
            st = cb_fail(err, CB_EINTERNAL, "identity: setting '%s' is not resolved", row->name);
            goto out;
        }
        if (row->identity == 2 && (st = is_default(&as_ever, row, value, err)) != CB_OK)
            goto out;
        if (!as_ever && json_object_set(part, row->name, value) != 0) {
            st = no_memory(err, "identity");
            goto out;
        }
    }
    *out = part;
    part = NULL;
out:
    json_decref(part);
    return st;
}
