/* SPDX-License-Identifier: MIT */
/*
 * Settings that were given and have no effect. They are no error, since one study may give the same
 * settings to trials of which only some read them; and they are not in a trial's identity. But
 * somebody who sets `momentum` beside "adam" should be told.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "train/options.h"

/* A value that says "off" where that is the default is no mistake. */
static cb_status says_off(int *out, const cb_setting_def *row, const json_t *value, cb_err *err) {
    json_t *fallback;
    *out = json_is_null(value);
    if (*out || row->identity != 2)
        return CB_OK;
    cb_status st = cbi_json_parse(&fallback, row->fallback, strlen(row->fallback), row->name, err);
    if (st != CB_OK)
        return st;
    *out = json_is_number(fallback) && json_is_number(value)
               ? json_number_value(fallback) == json_number_value(value)
               : json_equal(fallback, value);
    json_decref(fallback);
    return CB_OK;
}

/* Why a setting that belongs to no choice has no effect, where it has none. */
static const struct {
    const char *name, *why;
} reasons[] = {
    {"updates", "the epochs are over before"},
    {"operations", "the epochs are over before"},
    {"variational_input", "no layer has numbers as its input"},
    {"variational_state", "no matrix multiplies a state of the cell"},
    {"recurrent_dropout", "no state of the cell keeps a share of itself"},
    {"zoneout", "zoneout_c is read for the only state"},
    {"zoneout_c", "the cell has no state c, or its share is that of zoneout"},
    {"order", "unroll goes through the split as it stands"},
    {"forget_bias", "the cell has no vector b_f"},
    {NULL, "it changes nothing here"},
};

static const char *reason_of(const char *name, const json_t *given) {
    if (strcmp(name, "forget_bias") == 0 && json_object_get(json_object_get(given, "init"), "b_f"))
        return "init has a law for b_f";
    size_t i = 0;
    while (reasons[i].name != NULL && strcmp(reasons[i].name, name) != 0)
        i++;
    return reasons[i].why;
}

static void tell_why(cb_idle_setting *out, const json_t *given, const json_t *resolved) {
    const char *name = out->name, *chooser = cbi_options_chooser(name);
    const char *chosen = chooser ? json_string_value(json_object_get(resolved, chooser)) : NULL;
    if (chooser == NULL)
        (void)snprintf(out->why, sizeof out->why, "%s", reason_of(name, given));
    else if (chosen == NULL) /* off, hence not in the resolved settings */
        (void)snprintf(out->why, sizeof out->why, "no %s is set that reads it", chooser);
    else
        (void)snprintf(out->why, sizeof out->why, "%s '%s' does not read it", chooser, chosen);
}

/* Resolved to nothing, or to something else than was asked for. */
static int is_idle(const cb_setting_def *row, const json_t *value, const json_t *resolved) {
    const json_t *now = json_object_get(resolved, row->name);
    if (now == NULL || json_is_null(now))
        return 1;
    return strcmp(row->name, "order") == 0 && !json_equal(now, value);
}

cb_status cbi_options_idle(cb_idle_setting **out, size_t *n, const json_t *given,
                           const json_t *resolved, cb_err *err) {
    *n = 0;
    *out = cbi_calloc(json_object_size(given) + 1, sizeof **out);
    if (*out == NULL)
        return cb_fail(err, CB_ENOMEM, "train: out of memory");
    /* In the order of the table: that of an object's keys is none. */
    for (const cb_setting_def *row = cb_train_settings(); row->name != NULL; row++) {
        const json_t *value = json_object_get(given, row->name);
        int off;
        if (value == NULL || !is_idle(row, value, resolved))
            continue;
        cb_status st = says_off(&off, row, value, err);
        if (st != CB_OK)
            return st;
        if (off)
            continue;
        (*out)[*n].name = row->name;
        tell_why(&(*out)[(*n)++], given, resolved);
    }
    return CB_OK;
}
