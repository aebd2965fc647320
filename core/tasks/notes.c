/* SPDX-License-Identifier: MIT */
/*
 * The note-list reader: the text is parsed whole, then each split is gone through twice, for the
 * lengths and for the notes, so that nothing is allocated that the file does not fill.
 */
#include "tasks/notes.h"

#include <stdio.h>
#include <string.h>

/* Where the reader stands, for messages. */
typedef struct place {
    const char *file;
    const char *split;
} place;

static const char *kind_of(const json_t *value) {
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",       [JSON_STRING] = "a text",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a real number", [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    return value == NULL ? "nothing" : names[json_typeof(value)];
}

static cb_status read_lengths(cbi_dataset *set, cb_data *data, cb_split_name split,
                              const json_t *list, const place *at, size_t limit, cb_err *err) {
    cb_status st = CB_OK;
    if (!json_is_array(list))
        return cb_fail(err, CB_EDATA, "%s: '%s': expected a list of sequences, got %s", at->file,
                       at->split, kind_of(list));
    size_t count = json_array_size(list);
    if (limit > 0 && count > limit)
        count = limit;
    if ((st = cbi_dataset_sequences(set, data, split, count, err)) != CB_OK)
        return cb_fail_prefix(err, st, "%s: ", at->file);
    for (size_t s = 0; s < count; s++) {
        const json_t *sequence = json_array_get(list, s);
        if (json_array_size(sequence) == 0) /* 0 for what is no list, too */
            return cb_fail(
                err, CB_EDATA, "%s: '%s', sequence %zu: expected a list of steps, got %s", at->file,
                at->split, s + 1, json_is_array(sequence) ? "an empty one" : kind_of(sequence));
        set->split[split].start[s + 1] = json_array_size(sequence);
    }
    if ((st = cbi_dataset_frames(set, data, split, err)) != CB_OK)
        return cb_fail_prefix(err, st, "%s: ", at->file);
    return CB_OK;
}

/* What is wrong with one note, in full. */
static cb_status refuse_note(const json_t *note, const place *at, size_t s, size_t t, cb_err *err) {
    char got[32] = "";
    if (json_is_integer(note))
        snprintf(got, sizeof got, "%lld", (long long)json_integer_value(note));
    else if (json_is_real(note))
        snprintf(got, sizeof got, "%g", json_real_value(note));
    return cb_fail(err, CB_EDATA,
                   "%s: '%s', sequence %zu, step %zu: expected MIDI notes %d..%d (or %d), got %s",
                   at->file, at->split, s + 1, t + 1, CBI_NOTE_LOW, CBI_NOTE_HIGH, CBI_NOTE_SILENT,
                   got[0] != '\0' ? got : kind_of(note));
}

/* One step into its row of 88 keys. */
static cb_status read_step(float *row, const json_t *step, const place *at, size_t s, size_t t,
                           cb_err *err) {
    if (!json_is_array(step))
        return cb_fail(err, CB_EDATA,
                       "%s: '%s', sequence %zu, step %zu: expected a list of notes, "
                       "got %s",
                       at->file, at->split, s + 1, t + 1, kind_of(step));
    for (size_t n = 0; n < json_array_size(step); n++) {
        const json_t *note = json_array_get(step, n);
        json_int_t value = json_integer_value(note); /* 0 if it is none */
        if (json_is_integer(note) && value == CBI_NOTE_SILENT)
            continue;
        if (value < CBI_NOTE_LOW || value > CBI_NOTE_HIGH)
            return refuse_note(note, at, s, t, err);
        row[value - CBI_NOTE_LOW] = 1.0F;
    }
    return CB_OK;
}

static cb_status read_notes(const cbi_split_rows *rows, const json_t *list, size_t sequences,
                            const place *at, cb_err *err) {
    for (size_t s = 0; s < sequences; s++) {
        const json_t *sequence = json_array_get(list, s);
        size_t steps = rows->start[s + 1] - rows->start[s];
        float *target = rows->target + rows->start[s] * CBI_NOTES;
        float *x = rows->x + rows->start[s] * CBI_NOTES;
        for (size_t t = 0; t < steps; t++) {
            const json_t *step = json_array_get(sequence, t);
            cb_status st = read_step(target + t * CBI_NOTES, step, at, s, t, err);
            if (st != CB_OK)
                return st;
        }
        memcpy(x + CBI_NOTES, target, (steps - 1) * CBI_NOTES * sizeof *x);
    }
    return CB_OK;
}

cb_status cbi_notes_read(cbi_dataset *set, cb_data *data, const char *text, size_t length,
                         size_t limit, const char *file, cb_err *err) {
    cb_status st = CB_OK;
    json_t *root = NULL;
    if ((st = cbi_json_parse(&root, text, length, file, err)) != CB_OK)
        goto out;
    if (!json_is_object(root)) {
        st = cb_fail(err, CB_EDATA, "%s: expected an object with train, valid and test, got %s",
                     file, kind_of(root));
        goto out;
    }
    for (cb_split_name k = CB_TRAIN; k < CB_SPLITS; k++) {
        const place at = {file, cbi_split_names[k]};
        const json_t *list = json_object_get(root, at.split);
        if ((st = read_lengths(set, data, k, list, &at, limit, err)) != CB_OK)
            goto out;
        st = read_notes(&set->split[k], list, data->split[k].sequences, &at, err);
        if (st != CB_OK)
            goto out;
    }
out:
    json_decref(root);
    return st;
}
