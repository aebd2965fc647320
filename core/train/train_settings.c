/* SPDX-License-Identifier: MIT */
/*
 * The table of training settings, and how it is resolved. Settings that change nothing in the case
 * at hand are left out or set to null, so that they never split one trial into two identities.
 */
#include "train/options.h"

#include <string.h>

#include "base/alloc.h"
#include "base/settings.h"
#include "base/text.h"
#include "cellbench/train.h"
#include "train/optimiser.h"

static const char loss_scales[] = "sum sequence frame";
static const char forget_vector[] = "b_f";

/* clang-format off */
static const cb_setting_def settings[] = {
    {"optimiser", CB_SETTING_TEXT, "\"adam\"", 0, 0, "sgd momentum nesterov adam", 1,
     "rule that turns gradients into updates"},
    {"rate", CB_SETTING_NUMBER, "0.001", 0, 1e30, NULL, 1,
     "learning rate"},
    {"momentum", CB_SETTING_NUMBER, "0.9", 0, 1, NULL, 1,
     "share of the last step kept, with momentum (Polyak 1964) and nesterov (Sutskever et al. 2013)"},
    {"beta1", CB_SETTING_NUMBER, "0.9", 0, 0.999999999, NULL, 1,
     "adam: decay of the mean gradient (Kingma, Ba 2015)"},
    {"beta2", CB_SETTING_NUMBER, "0.999", 0, 0.999999999, NULL, 1,
     "adam: decay of the mean squared gradient (Kingma, Ba 2015)"},
    {"epsilon", CB_SETTING_NUMBER, "1e-8", 1e-20, 1, NULL, 1,
     "adam: added to the root of the mean squared gradient (Kingma, Ba 2015)"},
    {"clip", CB_SETTING_NUMBER, "null", 1e-30, 1e30, NULL, 1,
     "largest norm of the whole gradient, which is scaled down to it (Pascanu et al. 2013); null: none"},
    {"batch", CB_SETTING_INT, "16", 1, 1000000, NULL, 1,
     "sequences in one update"},
    {"epochs", CB_SETTING_INT, "100", 1, 1000000, NULL, 1,
     "most passes over the training split"},
    {"patience", CB_SETTING_INT, "null", 1, 1000000, NULL, 1,
     "stop after this many epochs without a lower validation metric; null: never"},
    {"loss_scale", CB_SETTING_TEXT, "\"frame\"", 0, 0, loss_scales, 1,
     "gradient of the loss summed over a batch: as it is, divided by its sequences, or by its frames"},
    {"order", CB_SETTING_TEXT, "\"shuffle\"", 0, 0, "shuffle sequential", 1,
     "order of the training sequences: drawn anew each epoch, or as they come"},
    {"forget_bias", CB_SETTING_NUMBER, "null", -1e30, 1e30, NULL, 1,
     "initial value of the vectors named b_f (Gers et al. 2000; 1: Jozefowicz et al. 2015); null: the cell's"},
    {"init", CB_SETTING_TABLE, "{}", 0, 0, NULL, 1,
     "initialisation laws by tensor or family, e.g. {\"R\": \"orthogonal(1)\"}; the rest keeps the cell's"},
    {"readout_init", CB_SETTING_TEXT, "\"glorot\"", 0, 0, NULL, 1,
     "law of the readout's matrix: zero, constant(a), uniform(a), normal(sd) or glorot; its bias starts at 0"},
    {NULL, CB_SETTING_INT, NULL, 0, 0, NULL, 0, NULL},
};
/* clang-format on */

/* Settings that only some optimisers read. */
static const struct {
    const char *setting;
    unsigned reads;
} optimiser_settings[] = {
    {"momentum", CBI_READS_MOMENTUM},
    {"beta1", CBI_READS_BETAS},
    {"beta2", CBI_READS_BETAS},
    {"epsilon", CBI_READS_BETAS},
};

const cb_setting_def *cb_train_settings(void) {
    return settings;
}

/* clang-format off */
/* In the order of cb_law. */
static const struct {
    const char *name;
    int has_argument;
    int for_readout;
    int for_vectors;
} laws[] = {
    [CB_LAW_ZERO] = {"zero", 0, 1, 1},
    [CB_LAW_CONSTANT] = {"constant", 1, 1, 1},
    [CB_LAW_UNIFORM] = {"uniform", 1, 1, 1},
    [CB_LAW_NORMAL] = {"normal", 1, 1, 1},
    [CB_LAW_GLOROT] = {"glorot", 0, 1, 0},
    [CB_LAW_ORTHOGONAL] = {"orthogonal", 1, 0, 0},
    [CB_LAW_IDENTITY] = {"identity", 1, 0, 0},
};
/* clang-format on */

static cb_status out_of_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "train: out of memory");
}

/* "constant(1.0)" -> "constant(1)". */
static json_t *law_text(const cb_init *init) {
    char number[32];
    if (!laws[init->law].has_argument)
        return json_string(laws[init->law].name);
    return json_sprintf("%s(%s)", laws[init->law].name, cbi_number(number, init->a));
}

/* The first tensor of the stack that `name` speaks for: by its full name, its name or its family;
 * NULL if there is none. */
static const cb_param *find_tensor(const cb_stack *stack, const char *name, cbi_near *near) {
    size_t n;
    const cb_stack_param *p = cb_stack_params(stack, &n);
    for (size_t i = 0; i < n; i++) {
        const char *names[] = {p[i].name, p[i].param->name, p[i].param->family};
        for (size_t k = 0; k < 3; k++) {
            if (names[k] == NULL)
                continue;
            if (strcmp(names[k], name) == 0)
                return p[i].param;
            if (near)
                cbi_near_offer(near, names[k]);
        }
    }
    return NULL;
}

static cb_status resolve_init(json_t *train, const cb_stack *stack, cb_err *err) {
    cb_status st = CB_OK;
    json_t *given = json_object_get(train, "init");
    if (!json_is_object(given) && json_array_size(given) > 0)
        return cb_fail(err, CB_EARG, "train: init: expected a table of laws by tensor name");
    json_t *made = json_object();
    if (made == NULL)
        return out_of_memory(err);
    const char *name;
    json_t *law;
    json_object_foreach(given, name, law) {
        cb_init init;
        cbi_near near;
        cbi_near_init(&near, name);
        const cb_param *param = find_tensor(stack, name, &near);
        if (param == NULL) {
            st = cb_fail(err, CB_EARG, "train: init: no tensor or family '%s' in this cell%s", name,
                         cbi_near_text(&near));
            goto out;
        }
        if (!json_is_string(law)) {
            st = cb_fail(err, CB_EARG, "train: init: %s: expected a law such as \"normal(0.1)\"",
                         name);
            goto out;
        }
        if ((st = cb_init_parse(&init, json_string_value(law), err)) != CB_OK) {
            cb_fail_prefix(err, st, "train: init: %s: ", name);
            goto out;
        }
        if (param->cols == 0 && !laws[init.law].for_vectors) {
            st = cb_fail(err, CB_EARG, "train: init: %s: '%s' is a law for matrices, not vectors",
                         name, laws[init.law].name);
            goto out;
        }
        if (json_object_set_new(made, name, law_text(&init)) != 0) {
            st = out_of_memory(err);
            goto out;
        }
    }
    if (json_object_set(train, "init", made) != 0)
        st = out_of_memory(err);
out:
    json_decref(made);
    return st;
}

static cb_status resolve_readout_init(json_t *train, cb_err *err) {
    cb_init init;
    const char *text = json_string_value(json_object_get(train, "readout_init"));
    cb_status st = cb_init_parse(&init, text, err);
    if (st != CB_OK)
        return cb_fail_prefix(err, st, "train: readout_init: ");
    if (!laws[init.law].for_readout)
        return cb_fail(err, CB_EARG,
                       "train: readout_init: expected zero, constant(a), uniform(a), normal(sd) or "
                       "glorot, got '%s'",
                       text);
    return json_object_set_new(train, "readout_init", law_text(&init)) == 0 ? CB_OK
                                                                            : out_of_memory(err);
}

cb_status cbi_options_resolve(json_t **out, const json_t *given, const cb_stack *stack,
                              const cb_data *data, cb_err *err) {
    cb_status st;
    json_t *train = NULL;
    *out = NULL;
    if ((st = cbi_settings_resolve(&train, settings, given, "train", err)) != CB_OK)
        return st;
    const char *name = json_string_value(json_object_get(train, "optimiser"));
    const cbi_optimiser *optimiser = cbi_optimiser_find(name);
    if (optimiser == NULL) {
        st = cb_fail(err, CB_EINTERNAL, "train: optimiser '%s' is in no table", name);
        goto out;
    }
    for (size_t i = 0; i < sizeof optimiser_settings / sizeof *optimiser_settings; i++)
        if (!(optimiser->reads & optimiser_settings[i].reads))
            (void)json_object_del(train, optimiser_settings[i].setting);
    if ((st = resolve_init(train, stack, err)) != CB_OK ||
        (st = resolve_readout_init(train, err)) != CB_OK)
        goto out;
    /* With one target for a sequence its frames that count are its sequences. */
    const char *scale = json_string_value(json_object_get(train, "loss_scale"));
    if (data->when == CB_WHEN_LAST && strcmp(scale, "sequence") == 0 &&
        json_object_set_new(train, "loss_scale", json_string("frame")) != 0) {
        st = out_of_memory(err);
        goto out;
    }
    int forgets = find_tensor(stack, forget_vector, NULL) &&
                  json_object_get(json_object_get(train, "init"), forget_vector) == NULL;
    if (!forgets && json_object_set_new(train, "forget_bias", json_null()) != 0) {
        st = out_of_memory(err);
        goto out;
    }
    *out = train;
    train = NULL;
out:
    json_decref(train);
    return st;
}

/* 0 if it is left out or null. */
static double number_of(const json_t *object, const char *name) {
    const json_t *v = json_object_get(object, name);
    return json_is_number(v) ? json_number_value(v) : 0;
}

static size_t count_of(const json_t *object, const char *name) {
    return (size_t)json_integer_value(json_object_get(object, name));
}

/* Position of `word` in a list separated by spaces. */
static int position_of(const char *list, const char *word) {
    int at = 0;
    size_t n = strlen(word);
    for (const char *p = list; *p; at++) {
        size_t length = strcspn(p, " ");
        if (length == n && memcmp(p, word, n) == 0)
            return at;
        p += length;
        p += strspn(p, " ");
    }
    return -1;
}

static cb_status read_overrides(cbi_options *o, json_t *resolved, cb_err *err) {
    json_t *init = json_object_get(resolved, "init");
    json_t *forget = json_object_get(resolved, "forget_bias");
    o->overrides = cbi_calloc(json_object_size(init) + 1, sizeof *o->overrides);
    if (o->overrides == NULL)
        return out_of_memory(err);
    if (json_is_number(forget))
        o->overrides[o->override_count++] =
            (cb_init_override){forget_vector, {CB_LAW_CONSTANT, json_number_value(forget)}};
    const char *name;
    json_t *law;
    json_object_foreach(init, name, law) {
        cb_init_override *at = &o->overrides[o->override_count++];
        at->name = name;
        cb_status st = cb_init_parse(&at->init, json_string_value(law), err);
        if (st != CB_OK)
            return cb_fail_prefix(err, st, "train: init: %s: ", name);
    }
    return CB_OK;
}

cb_status cbi_options_read(cbi_options *out, json_t *resolved, cb_err *err) {
    cb_status st;
    *out = (cbi_options){
        .optimiser = json_string_value(json_object_get(resolved, "optimiser")),
        .rate = number_of(resolved, "rate"),
        .momentum = number_of(resolved, "momentum"),
        .beta1 = number_of(resolved, "beta1"),
        .beta2 = number_of(resolved, "beta2"),
        .epsilon = number_of(resolved, "epsilon"),
        .clip = number_of(resolved, "clip"),
        .batch = count_of(resolved, "batch"),
        .epochs = count_of(resolved, "epochs"),
        .patience = count_of(resolved, "patience"),
    };
    const char *order = json_string_value(json_object_get(resolved, "order"));
    const char *scale = json_string_value(json_object_get(resolved, "loss_scale"));
    out->shuffle = strcmp(order, "shuffle") == 0;
    out->loss_scale = (cbi_loss_scale)position_of(loss_scales, scale);
    if ((st = cb_init_parse(&out->readout_init,
                            json_string_value(json_object_get(resolved, "readout_init")), err)) !=
            CB_OK ||
        (st = read_overrides(out, resolved, err)) != CB_OK)
        cbi_options_fini(out);
    return st;
}

void cbi_options_fini(cbi_options *options) {
    cbi_free(options->overrides);
    options->overrides = NULL;
    options->override_count = 0;
}
