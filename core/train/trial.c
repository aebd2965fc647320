/* SPDX-License-Identifier: MIT */
/*
 * From a raw specification to a trial: checks, defaults, the stack, the resolved specification and
 * its key. Everything that comes out is made from the resolved values alone, so that resolving
 * twice changes nothing.
 */
#include "train/trial.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"
#include "tasks/dataset.h"

enum { MOST_LAYERS = 256, MOST_HIDDEN = 1 << 20, MOST_VALUES = 4096 };

static cb_status out_of_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "trial: out of memory");
}

/* ---- reading the raw specification ---- */

static const char *const spec_keys[] = {"format", "task",  "layers", "depth", "hidden",
                                        "params", "train", "seed",   NULL};
static const char *const task_keys[] = {"name", "settings", "sha256", NULL};
static const char *const layer_keys[] = {"name",     "text",   "settings", "bidirectional",
                                         "residual", "hidden", NULL};

static cb_status check_keys(const json_t *object, const char *const *known, const char *where,
                            cb_err *err) {
    if (!json_is_object(object))
        return cb_fail(err, CB_EARG, "%s: expected an object", where);
    void *it = json_object_iter((json_t *)object);
    for (; it; it = json_object_iter_next((json_t *)object, it)) {
        const char *key = json_object_iter_key(it);
        cbi_near near;
        size_t k = 0;
        cbi_near_init(&near, key);
        for (; known[k] && strcmp(known[k], key) != 0; k++)
            cbi_near_offer(&near, known[k]);
        if (known[k] == NULL)
            return cb_fail(err, CB_EARG, "%s: unknown key '%s'%s", where, key,
                           cbi_near_text(&near));
    }
    return CB_OK;
}

/* A whole number in low..high; `absent` if the key is missing. */
static cb_status read_count(const json_t *object, const char *key, const char *where, int64_t low,
                            int64_t high, int64_t absent, int64_t *out, cb_err *err) {
    const json_t *v = json_object_get(object, key);
    *out = absent;
    if (v == NULL)
        return CB_OK;
    const double real = json_number_value(v);
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (json_is_real(v) && real >= -9007199254740992.0 && real <= 9007199254740992.0 &&
             (double)(int64_t)real == real)
        *out = (int64_t)real;
    else
        return cb_fail(err, CB_EARG, "%s: %s: expected a whole number", where, key);
    if (*out < low || *out > high) {
        const int64_t got = *out;
        *out = absent;
        return cb_fail(err, CB_EARG, "%s: %s: expected %lld..%lld, got %lld", where, key,
                       (long long)low, (long long)high, (long long)got);
    }
    return CB_OK;
}

static cb_status read_text(const json_t *object, const char *key, const char *where,
                           const char **out, cb_err *err) {
    const json_t *v = json_object_get(object, key);
    *out = json_string_value(v);
    if (v && (*out == NULL || strlen(*out) != json_string_length(v)))
        return cb_fail(err, CB_EARG, "%s: %s: expected a text", where, key);
    return CB_OK;
}

/* The layers as the specification gives them; each owns its settings. */
typedef struct layers {
    size_t count;
    size_t given; /* the others repeat the first, whose settings they borrow */
    cb_layer_spec *spec;
} layers;

static void layers_fini(layers *all) {
    for (size_t l = 0; l < all->given; l++) {
        cb_cell_setting *s = (cb_cell_setting *)all->spec[l].settings;
        for (size_t i = 0; i < all->spec[l].setting_count; i++)
            cbi_free((double *)s[i].values);
        cbi_free(s);
    }
    cbi_free(all->spec);
    *all = (layers){0};
}

/* A setting of a cell: a number, or a list of them. */
static cb_status read_setting(cb_cell_setting *out, const char *name, const json_t *value,
                              const char *where, cb_err *err) {
    const int list = json_is_array(value);
    const size_t n = list ? json_array_size(value) : 1;
    if (n == 0 || n > MOST_VALUES)
        return cb_fail(err, CB_EARG, "%s: %s: expected 1..%d values, got %zu", where, name,
                       MOST_VALUES, n);
    double *values = cbi_calloc(n, sizeof *values);
    if (values == NULL)
        return out_of_memory(err);
    *out = (cb_cell_setting){name, n, values};
    for (size_t i = 0; i < n; i++) {
        const json_t *v = list ? json_array_get(value, i) : value;
        if (!json_is_number(v))
            return cb_fail(err, CB_EARG, "%s: %s: expected a number or a list of numbers", where,
                           name);
        values[i] = json_number_value(v) + 0.0; /* one zero: -0 + 0 is 0 */
    }
    return CB_OK;
}

/* 0 if the key is missing. */
static cb_status read_flag(const json_t *object, const char *key, const char *where, int *out,
                           cb_err *err) {
    const json_t *v = json_object_get(object, key);
    if (v != NULL && !json_is_boolean(v))
        return cb_fail(err, CB_EARG, "%s: %s: expected true or false", where, key);
    *out = json_is_true(v);
    return CB_OK;
}

static cb_status read_layer(cb_layer_spec *out, const json_t *layer, const char *where,
                            cb_err *err) {
    cb_status st;
    int64_t hidden;
    json_t *settings = json_object_get(layer, "settings");
    if ((st = check_keys(layer, layer_keys, where, err)) != CB_OK ||
        (st = read_text(layer, "name", where, &out->name, err)) != CB_OK ||
        (st = read_text(layer, "text", where, &out->text, err)) != CB_OK ||
        (st = read_count(layer, "hidden", where, 1, MOST_HIDDEN, 0, &hidden, err)) != CB_OK)
        return st;
    if (out->text == NULL)
        return cb_fail(err, CB_EARG, "%s: text: expected the equations of a cell", where);
    if (out->name == NULL)
        out->name = "cell";
    out->hidden = (size_t)hidden;
    if ((st = read_flag(layer, "bidirectional", where, &out->bidirectional, err)) != CB_OK ||
        (st = read_flag(layer, "residual", where, &out->residual, err)) != CB_OK)
        return st;
    /* An empty Lua table may come as an empty list. */
    if (settings == NULL || (json_is_array(settings) && json_array_size(settings) == 0))
        return CB_OK;
    if (!json_is_object(settings))
        return cb_fail(err, CB_EARG, "%s: settings: expected an object", where);
    cb_cell_setting *made = cbi_calloc(json_object_size(settings) + 1, sizeof *made);
    if (made == NULL)
        return out_of_memory(err);
    out->settings = made;
    const char *name;
    json_t *value;
    json_object_foreach(settings, name, value) {
        st = read_setting(&made[out->setting_count++], name, value, where, err);
        if (st != CB_OK)
            return st;
    }
    return CB_OK;
}

static cb_status read_layers(layers *out, const json_t *raw, cb_err *err) {
    cb_status st;
    int64_t depth;
    const json_t *list = json_object_get(raw, "layers");
    *out = (layers){0};
    const size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > MOST_LAYERS)
        return cb_fail(err, CB_EARG, "layers: expected a list of 1..%d cells", MOST_LAYERS);
    if ((st = read_count(raw, "depth", "trial", 1, MOST_LAYERS, (int64_t)n, &depth, err)) != CB_OK)
        return st;
    if (n != 1 && (size_t)depth != n)
        return cb_fail(err, CB_EARG, "depth: expected one layer to repeat, got %zu layers", n);
    if ((out->spec = cbi_calloc((size_t)depth, sizeof *out->spec)) == NULL)
        return out_of_memory(err);
    for (size_t l = 0; l < n; l++) {
        char where[32];
        snprintf(where, sizeof where, "layer %zu", l + 1);
        out->given = l + 1;
        if ((st = read_layer(&out->spec[l], json_array_get(list, l), where, err)) != CB_OK) {
            layers_fini(out);
            return st;
        }
    }
    out->count = (size_t)depth;
    for (size_t l = n; l < out->count; l++)
        out->spec[l] = out->spec[0];
    return CB_OK;
}

/* ---- checks against the task ---- */

/* The task's part of the resolved specification. */
static cb_status task_spec(json_t **out, const cb_task *task, cb_err *err) {
    const cb_data *data = cb_task_data(task);
    const char *identity = cb_task_identity(task);
    json_t *settings;
    *out = NULL;
    cb_status st = cbi_json_parse(&settings, identity, strlen(identity), "task identity", err);
    if (st != CB_OK)
        return st;
    *out = json_pack("{s:s, s:o, s:s}", "name", cb_task_get_def(task)->name, "settings", settings,
                     "sha256", data->sha256);
    return *out ? CB_OK : out_of_memory(err);
}

/* A raw specification names the task; a resolved one must name exactly this one and its data. */
static cb_status check_task(const json_t *raw, int resolved, const cb_task *task,
                            const json_t *expected, cb_err *err) {
    cb_status st;
    const char *name;
    const char *opened = cb_task_get_def(task)->name;
    const json_t *given = json_object_get(raw, "task");
    if (given == NULL)
        return cb_fail(err, CB_EARG, "trial: task: expected an object with a name");
    if ((st = check_keys(given, task_keys, "task", err)) != CB_OK ||
        (st = read_text(given, "name", "task", &name, err)) != CB_OK)
        return st;
    if (name == NULL || strcmp(name, opened) != 0)
        return cb_fail(err, CB_EARG, "task: expected '%s', the task that is open, got '%s'", opened,
                       name ? name : "");
    if (!resolved)
        return CB_OK;
    static const char *const parts[] = {"settings", "sha256"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *a = json_object_get(given, parts[i]),
                     *b = json_object_get(expected, parts[i]);
        if (a == NULL || !json_equal(a, b))
            return cb_fail(err, CB_EDATA,
                           "task '%s': its %s is not what this specification was resolved with",
                           opened, i ? "data (SHA-256)" : "list of settings");
    }
    return CB_OK;
}

/* What can be seen without reading the data; labels are checked before a run. */
static cb_status check_data(const cb_data *data, cb_err *err) {
    for (size_t i = 0; i < CB_SPLITS; i++) {
        const cb_split *s = &data->split[i];
        if (s->frames == 0 && i != CB_TEST)
            return cb_fail(err, CB_EDATA, "task: split '%s' is empty", cbi_split_names[i]);
        if (s->sequences > UINT32_MAX)
            return cb_fail(err, CB_EDATA, "task: split '%s': too many sequences",
                           cbi_split_names[i]);
    }
    return CB_OK;
}

/* ---- making the trial ---- */

static cb_status make_stack(cb_trial *trial, const json_t *raw, layers *all, cb_err *err) {
    cb_status st;
    int64_t hidden, params;
    size_t open = 0;
    for (size_t l = 0; l < all->count; l++)
        open += all->spec[l].hidden == 0;
    if ((st = read_count(raw, "hidden", "trial", 1, MOST_HIDDEN, 0, &hidden, err)) != CB_OK ||
        (st = read_count(raw, "params", "trial", 1, INT64_MAX, 0, &params, err)) != CB_OK)
        return st;
    if (hidden && params)
        return cb_fail(err, CB_EARG, "trial: expected hidden or params, got both");
    if (open > 0 && !hidden && !params)
        return cb_fail(err, CB_EARG, "trial: hidden: expected a size (or params)");
    if (open == 0 && (hidden || params))
        return cb_fail(err, CB_EARG, "trial: %s has no effect: every layer has a size of its own",
                       hidden ? "hidden" : "params");
    size_t common = (size_t)hidden;
    st = params ? cbi_stack_size(&trial->stack, &common, all->spec, all->count, trial->data,
                                 (size_t)params, err)
                : cbi_stack_build(&trial->stack, all->spec, all->count, trial->data, common, err);
    if (st != CB_OK)
        return st;
    const size_t top = all->spec[all->count - 1].hidden;
    trial->hidden = top ? top : common;
    for (size_t l = 0; l < all->count; l++)
        if (all->spec[l].hidden == 0)
            all->spec[l].hidden = common;
    return CB_OK;
}

/* The resolved specification; takes `task`. */
static cb_status make_spec(cb_trial *trial, const layers *all, json_t *task, cb_err *err) {
    cb_status st = CB_ENOMEM;
    json_t *list = json_array();
    json_t *spec = json_pack("{s:i, s:o, s:O, s:I}", "format", (int)CB_TRIAL_FORMAT, "task", task,
                             "train", trial->train, "seed", (json_int_t)trial->seed);
    int failed = list == NULL || spec == NULL;
    for (size_t l = 0, unit = 0; l < all->count && !failed; l++) {
        const int both = all->spec[l].bidirectional;
        json_t *layer =
            json_pack("{s:s, s:I}", "text", cb_cell_text(cb_stack_cell(trial->stack, unit)),
                      "hidden", (json_int_t)all->spec[l].hidden);
        /* Named only where it is so: other layers keep the form that they have always had. */
        failed = (both && layer && json_object_set_new(layer, "bidirectional", json_true())) ||
                 (all->spec[l].residual && layer &&
                  json_object_set_new(layer, "residual", json_true())) ||
                 json_array_append_new(list, layer) != 0;
        unit += both ? 2 : 1;
    }
    if (failed || json_object_set(spec, "layers", list) != 0) {
        out_of_memory(err);
        goto out;
    }
    if ((st = cbi_json_canonical(&trial->spec, spec, err)) == CB_OK)
        cbi_sha256_hex(trial->spec, strlen(trial->spec), trial->key);
out:
    json_decref(list);
    json_decref(spec);
    return st;
}

static cb_status fill_trial(cb_trial *trial, const json_t *raw, const cb_task *task, cb_err *err) {
    cb_status st;
    int64_t seed, format;
    layers all = {0};
    json_t *own_task = NULL;
    if ((st = check_keys(raw, spec_keys, "trial", err)) != CB_OK ||
        (st = read_count(raw, "seed", "trial", 0, INT64_MAX, 1, &seed, err)) != CB_OK ||
        (st = read_count(raw, "format", "trial", 1, INT64_MAX, 0, &format, err)) != CB_OK)
        return st;
    if (format != 0 && format != CB_TRIAL_FORMAT)
        return cb_fail(err, CB_EARG, "trial: format: expected %d, got %lld", CB_TRIAL_FORMAT,
                       (long long)format);
    trial->seed = (uint64_t)seed;
    if ((st = task_spec(&own_task, task, err)) != CB_OK ||
        (st = check_task(raw, format != 0, task, own_task, err)) != CB_OK ||
        (st = check_data(trial->data, err)) != CB_OK ||
        (st = read_layers(&all, raw, err)) != CB_OK ||
        (st = make_stack(trial, raw, &all, err)) != CB_OK ||
        (st = cbi_options_resolve(&trial->train, json_object_get(raw, "train"), trial->stack,
                                  trial->data, err)) != CB_OK ||
        (st = cbi_regularise(trial->stack, trial->train, err)) != CB_OK ||
        (st = cbi_options_read(&trial->options, trial->train, trial->stack, trial->data, err)) !=
            CB_OK ||
        (st = cbi_options_idle(&trial->idle, &trial->idle_count, json_object_get(raw, "train"),
                               trial->train, err)) != CB_OK)
        goto out;
    st = make_spec(trial, &all, own_task, err);
    own_task = NULL;
out:
    json_decref(own_task);
    layers_fini(&all);
    return st;
}

cb_status cb_trial_create(cb_trial **out, const char *raw_json, const cb_task *task, cb_err *err) {
    cb_status st;
    json_t *raw = NULL;
    *out = NULL;
    cb_trial *trial = cbi_calloc(1, sizeof *trial);
    if (trial == NULL)
        return out_of_memory(err);
    trial->data = cb_task_data(task);
    if ((st = cbi_json_parse(&raw, raw_json, strlen(raw_json), "trial", err)) != CB_OK ||
        (st = fill_trial(trial, raw, task, err)) != CB_OK)
        goto out;
    *out = trial;
    trial = NULL;
out:
    json_decref(raw);
    cb_trial_destroy(trial);
    return st;
}

void cb_trial_destroy(cb_trial *trial) {
    if (trial == NULL)
        return;
    cbi_options_fini(&trial->options);
    cbi_free(trial->idle);
    json_decref(trial->train);
    cb_stack_destroy(trial->stack);
    cbi_free(trial->spec);
    cbi_free(trial);
}

/* ---- what a trial tells of itself ---- */

const char *cb_trial_spec(const cb_trial *trial) {
    return trial->spec;
}

const char *cb_trial_key(const cb_trial *trial) {
    return trial->key;
}

const cb_stack *cb_trial_stack(const cb_trial *trial) {
    return trial->stack;
}

const cb_idle_setting *cb_trial_idle(const cb_trial *trial, size_t *n) {
    *n = trial->idle_count;
    return trial->idle;
}

size_t cb_trial_hidden(const cb_trial *trial) {
    return trial->hidden;
}

size_t cb_trial_param_count(const cb_trial *trial) {
    return cb_stack_param_count(trial->stack) +
           (cb_stack_output_dim(trial->stack) + 1) * trial->data->target_dim;
}

size_t cbi_trial_weight_count(const cb_trial *trial) {
    return cb_stack_weight_count(trial->stack) +
           (cb_stack_output_dim(trial->stack) + 1) * trial->data->target_dim;
}

size_t cb_trial_epochs(const cb_trial *trial) {
    return trial->options.most_epochs;
}

static double split_flop(const cb_trial *trial, cb_split_name split) {
    const cb_split *s = &trial->data->split[split];
    const int at_last = trial->data->when == CB_WHEN_LAST;
    return cbi_forward_flop(trial->stack, trial->data, s->frames,
                            at_last ? s->sequences : s->frames);
}

double cb_trial_epoch_flop(const cb_trial *trial) {
    return CBI_TRAINING_PASSES * split_flop(trial, CB_TRAIN) + split_flop(trial, CB_VALID);
}
