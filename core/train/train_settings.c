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

static const char loss_scales[] = "sum sequence frame";
static const char forget_vector[] = "b_f";

/* clang-format off */
/* Later settings have identity 2: left out where they are off, so that specifications resolve as
 * they did before there were these settings. */
static const cb_setting_def settings[] = {
    {"optimiser", CB_SETTING_TEXT, "\"adam\"", 0, 0,
     "sgd momentum nesterov adam adamw rmsprop rmsprop-graves adagrad adadelta", 1,
     "rule that turns gradients into updates"},
    {"rate", CB_SETTING_NUMBER, "0.001", 0, 1e30, NULL, 1,
     "learning rate; default of rmsprop-graves 0.0001, of adagrad 0.01, of adadelta 1"},
    {"momentum", CB_SETTING_NUMBER, "0.9", 0, 1, NULL, 1,
     "share of the last step kept: momentum (Polyak 1964), nesterov (Sutskever et al. 2013), rmsprop (default 0), rmsprop-graves"},
    {"beta1", CB_SETTING_NUMBER, "0.9", 0, 0.999999999, NULL, 1,
     "adam, adamw: decay of the mean gradient (Kingma, Ba 2015)"},
    {"beta2", CB_SETTING_NUMBER, "0.999", 0, 0.999999999, NULL, 1,
     "adam, adamw: decay of the mean squared gradient (Kingma, Ba 2015)"},
    {"epsilon", CB_SETTING_NUMBER, "1e-8", 1e-20, 1, NULL, 1,
     "added to the root of the (mean) squared gradient (Kingma, Ba 2015); within it: rmsprop-graves (default 0.0001), adadelta (1e-6); adagrad 1e-10"},
    {"decay", CB_SETTING_NUMBER, "0.95", 0, 0.999999999, NULL, 1,
     "decay of running means: rmsprop-graves (Graves 2013), adadelta (rho, Zeiler 2012), rmsprop (default 0.99)"},
    {"weight_decay", CB_SETTING_NUMBER, "0.01", 0, 1e30, NULL, 1,
     "adamw: share of rate*w taken from matrices (Loshchilov, Hutter 2019)"},
    {"schedule", CB_SETTING_TEXT, "\"constant\"", 0, 0, "constant step exponential cosine linear plateau", 2,
     "how the rate changes: by factors, along half a cosine or a line, or when validation stands still"},
    {"schedule_hold", CB_SETTING_INT, "null", 0, 1000000, NULL, 1,
     "epochs at the full rate before it changes; default 0, with step schedule_epochs"},
    {"schedule_epochs", CB_SETTING_INT, "null", 1, 1000000, NULL, 1,
     "epochs from one factor to the next (step 10, exponential 1), of the descent (cosine, linear: to the end), without a better validation (plateau 5)"},
    {"schedule_factor", CB_SETTING_NUMBER, "null", 0, 1, NULL, 1,
     "what the rate is multiplied by (step, plateau 0.5; exponential 0.95); its last share (cosine, linear 0)"},
    {"warm_up", CB_SETTING_INT, "0", 0, 1000000000, NULL, 2,
     "updates over which the rate rises from 0, in proportion (Goyal et al. 2017)"},
    {"clip", CB_SETTING_NUMBER, "null", 1e-30, 1e30, NULL, 1,
     "largest norm of the whole gradient, which is scaled down to it (Pascanu et al. 2013); null: none"},
    {"clip_value", CB_SETTING_NUMBER, "null", 1e-30, 1e30, NULL, 2,
     "largest size of each element of the gradient (Mikolov 2012), cut before the norm is taken; null: none"},
    {"l2", CB_SETTING_NUMBER, "0", 0, 1e30, NULL, 2,
     "l2*w is added to the gradient of matrices, after clipping"},
    {"weight_noise", CB_SETTING_NUMBER, "0", 0, 1e30, NULL, 2,
     "sd of Gaussian noise on all learned weights, new for each update (Graves 2011)"},
    {"input_noise", CB_SETTING_NUMBER, "0", 0, 1e30, NULL, 2,
     "sd of Gaussian noise on dense input, in training"},
    {"dropout", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "share of each layer's output that the layer above, or the readout, does not see, in training (Zaremba et al. 2014)"},
    {"input_dropout", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "the same of dense input"},
    {"variational_input", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "share of each layer's input that its cell does not see, the same in all steps of a sequence (Gal, Ghahramani 2016)"},
    {"variational_state", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "the same of states, where matrices multiply them (Gal, Ghahramani 2016)"},
    {"recurrent_dropout", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "share of what is added to the memory (c, or h) that is dropped, new in each step (Semeniuta et al. 2016)"},
    {"zoneout", CB_SETTING_NUMBER, "0", 0, 0.99, NULL, 2,
     "share of the states h and c (of all states where a cell has neither) that keeps its value in a step (Krueger et al. 2017)"},
    {"zoneout_c", CB_SETTING_NUMBER, "null", 0, 0.99, NULL, 2,
     "that share of c, where it is another one; null: zoneout"},
    {"average", CB_SETTING_TEXT, "\"none\"", 0, 0, "none ema mean", 2,
     "evaluate averaged weights (Polyak, Juditsky 1992): exponentially, or over the last epochs alike"},
    {"average_decay", CB_SETTING_NUMBER, "0.999", 0, 0.999999999, NULL, 1,
     "ema: share of the average that stays in an update"},
    {"average_epochs", CB_SETTING_INT, "5", 1, 1000, NULL, 1,
     "mean: so many epochs"},
    {"batch", CB_SETTING_INT, "16", 1, 1000000, NULL, 1,
     "sequences in one update"},
    {"epochs", CB_SETTING_INT, "100", 1, 1000000, NULL, 1,
     "most passes over the training split"},
    {"updates", CB_SETTING_INT, "null", 1, 1000000000000, NULL, 2,
     "most updates; null: as many as the epochs have"},
    {"operations", CB_SETTING_NUMBER, "null", 1, 1e30, NULL, 2,
     "most flop of all updates together, as the cost model counts them; null: what the epochs take"},
    {"patience", CB_SETTING_INT, "null", 1, 1000000, NULL, 1,
     "stop after this many epochs without a lower validation metric; null: never"},
    {"loss_scale", CB_SETTING_TEXT, "\"frame\"", 0, 0, loss_scales, 1,
     "gradient of the loss summed over a batch: as it is, divided by its sequences, or by its frames"},
    {"order", CB_SETTING_TEXT, "\"shuffle\"", 0, 0, "shuffle sequential", 1,
     "order of the training sequences: drawn anew each epoch, or as they come"},
    {"unroll", CB_SETTING_INT, "null", 1, 1000000, NULL, 2,
     "truncated BPTT: `batch` streams through the training split, in chunks of so many steps, state carried over; null: whole sequences"},
    {"segment", CB_SETTING_INT, "null", 0, 1000000, NULL, 2,
     "long sequences: back-propagate a segment of at least so many steps at a time, its forward pass done again; 0: as many as take the least memory; null: all at once"},
    {"forget_bias", CB_SETTING_NUMBER, "null", -1e30, 1e30, NULL, 1,
     "initial value of the vectors named b_f (Gers et al. 2000; 1: Jozefowicz et al. 2015); null: the cell's"},
    {"init", CB_SETTING_TABLE, "{}", 0, 0, NULL, 1,
     "initialisation laws by tensor or family, e.g. {\"R\": \"orthogonal(1)\"}; the rest keeps the cell's"},
    {"readout_init", CB_SETTING_TEXT, "\"glorot\"", 0, 0, NULL, 1,
     "law of the readout's matrix: zero, constant(a), uniform(a), uniform(a, b), normal(sd) or glorot; its bias starts at 0"},
    {NULL, CB_SETTING_INT, NULL, 0, 0, NULL, 0, NULL},
};

/* Settings that are read only where another one has a certain value; elsewhere they are left out.
 * The default there is `fallback`, NULL: the one of the table above. */
static const struct {
    const char *chooser, *value, *setting, *fallback;
} dependents[] = {
    {"optimiser", "momentum", "momentum", NULL},
    {"optimiser", "nesterov", "momentum", NULL},
    {"optimiser", "adam", "beta1", NULL},
    {"optimiser", "adam", "beta2", NULL},
    {"optimiser", "adam", "epsilon", NULL},
    {"optimiser", "adamw", "beta1", NULL},
    {"optimiser", "adamw", "beta2", NULL},
    {"optimiser", "adamw", "epsilon", NULL},
    {"optimiser", "adamw", "weight_decay", NULL},
    {"optimiser", "rmsprop", "decay", "0.99"},
    {"optimiser", "rmsprop", "momentum", "0.0"},
    {"optimiser", "rmsprop", "epsilon", NULL},
    {"optimiser", "rmsprop-graves", "rate", "0.0001"},
    {"optimiser", "rmsprop-graves", "decay", NULL},
    {"optimiser", "rmsprop-graves", "momentum", NULL},
    {"optimiser", "rmsprop-graves", "epsilon", "0.0001"},
    {"optimiser", "adagrad", "rate", "0.01"},
    {"optimiser", "adagrad", "epsilon", "1e-10"},
    {"optimiser", "adadelta", "rate", "1.0"},
    {"optimiser", "adadelta", "decay", NULL},
    {"optimiser", "adadelta", "epsilon", "1e-6"},
    {"schedule", "step", "schedule_hold", NULL},
    {"schedule", "step", "schedule_epochs", "10"},
    {"schedule", "step", "schedule_factor", "0.5"},
    {"schedule", "exponential", "schedule_hold", "0"},
    {"schedule", "exponential", "schedule_epochs", "1"},
    {"schedule", "exponential", "schedule_factor", "0.95"},
    {"schedule", "cosine", "schedule_hold", "0"},
    {"schedule", "cosine", "schedule_epochs", NULL},
    {"schedule", "cosine", "schedule_factor", "0.0"},
    {"schedule", "linear", "schedule_hold", "0"},
    {"schedule", "linear", "schedule_epochs", NULL},
    {"schedule", "linear", "schedule_factor", "0.0"},
    {"schedule", "plateau", "schedule_epochs", "5"},
    {"schedule", "plateau", "schedule_factor", "0.5"},
    {"average", "ema", "average_decay", NULL},
    {"average", "mean", "average_epochs", NULL},
};
/* clang-format on */

const char *cbi_options_chooser(const char *setting) {
    /* "rate" has defaults there, but every optimiser reads it. */
    for (size_t i = 0; i < sizeof dependents / sizeof *dependents; i++)
        if (strcmp(dependents[i].setting, setting) == 0 && strcmp(setting, "rate") != 0)
            return dependents[i].chooser;
    return NULL;
}

const cb_setting_def *cb_train_settings(void) {
    return settings;
}

/* What a law may be for, beside the matrices of cells. */
static int for_vectors(cb_law law) {
    return law != CB_LAW_GLOROT && law != CB_LAW_ORTHOGONAL && law != CB_LAW_IDENTITY;
}

static int for_readout(cb_law law) {
    return law != CB_LAW_ORTHOGONAL && law != CB_LAW_IDENTITY;
}

static cb_status out_of_memory(cb_err *err) {
    return cb_fail(err, CB_ENOMEM, "train: out of memory");
}

/* "constant(1.0)" -> "constant(1)". */
static json_t *law_text(const cb_init *init) {
    char text[CB_INIT_TEXT];
    return json_string(cb_init_text(text, init));
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
        if (param->cols == 0 && !for_vectors(init.law)) {
            st = cb_fail(err, CB_EARG, "train: init: %s: '%s' is a law for matrices, not vectors",
                         name, json_string_value(law));
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
    if (!for_readout(init.law))
        return cb_fail(
            err, CB_EARG,
            "train: readout_init: expected zero, constant(a), uniform(a), uniform(a, b), "
            "normal(sd) or glorot, got '%s'",
            text);
    return json_object_set_new(train, "readout_init", law_text(&init)) == 0 ? CB_OK
                                                                            : out_of_memory(err);
}

/* Puts in the defaults of settings that depend on others, and takes away those that are not read.
 * `all` has every setting, what is off included. */
static cb_status resolve_dependents(json_t *train, const json_t *all, const json_t *given,
                                    cb_err *err) {
    enum { COUNT = sizeof dependents / sizeof *dependents };
    int read[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        const char *name = dependents[i].setting, *fallback = dependents[i].fallback;
        const char *chosen = json_string_value(json_object_get(all, dependents[i].chooser));
        const json_t *own = json_object_get(given, name);
        read[i] = strcmp(chosen, dependents[i].value) == 0;
        if (!read[i] || fallback == NULL || (own && !json_is_null(own)))
            continue;
        json_t *value;
        cb_status st = cbi_json_parse(&value, fallback, strlen(fallback), name, err);
        if (st != CB_OK)
            return st;
        if (json_object_set_new(train, name, value) != 0)
            return out_of_memory(err);
    }
    for (size_t i = 0; i < COUNT; i++) {
        int wanted = strcmp(dependents[i].setting, "rate") == 0;
        for (size_t k = 0; k < COUNT; k++)
            wanted |= read[k] && strcmp(dependents[k].setting, dependents[i].setting) == 0;
        if (!wanted)
            (void)json_object_del(train, dependents[i].setting);
    }
    return CB_OK;
}

/* Settings whose effect depends on the task or the cell. */
static cb_status resolve_effects(json_t *train, const cb_stack *stack, const cb_data *data,
                                 cb_err *err) {
    static const char *const dense[] = {"input_noise", "input_dropout"};
    for (size_t i = 0; i < sizeof dense / sizeof *dense; i++)
        if (data->input != CB_INPUT_DENSE && cbi_options_number(train, dense[i]) > 0)
            return cb_fail(err, CB_EARG,
                           "train: %s: expected 0: the input of this task is not dense", dense[i]);
    /* With one target for a sequence its frames that count are its sequences. */
    const char *scale = json_string_value(json_object_get(train, "loss_scale"));
    if (data->when == CB_WHEN_LAST && strcmp(scale, "sequence") == 0 &&
        json_object_set_new(train, "loss_scale", json_string("frame")) != 0)
        return out_of_memory(err);
    if (cbi_options_count(train, "unroll")) {
        if (data->when == CB_WHEN_LAST)
            return cb_fail(err, CB_EARG,
                           "train: unroll: the task has one target for a whole sequence");
        if (!cb_stack_runs_forward(stack))
            return cb_fail(err, CB_EARG,
                           "train: unroll: a bidirectional layer needs whole "
                           "sequences");
        /* Streams go through the split as it stands. */
        if (json_object_set_new(train, "order", json_string("sequential")) != 0)
            return out_of_memory(err);
    }
    if (json_is_integer(json_object_get(train, "segment"))) {
        if (cbi_options_count(train, "unroll"))
            return cb_fail(
                err, CB_EARG,
                "train: segment: expected null: with unroll no more than a chunk is kept");
        if (!cb_stack_runs_forward(stack))
            return cb_fail(err, CB_EARG,
                           "train: segment: expected null: a bidirectional layer needs whole "
                           "sequences");
    }
    int forgets = find_tensor(stack, forget_vector, NULL) &&
                  json_object_get(json_object_get(train, "init"), forget_vector) == NULL;
    if (!forgets && json_object_set_new(train, "forget_bias", json_null()) != 0)
        return out_of_memory(err);
    return CB_OK;
}

cb_status cbi_options_resolve(json_t **out, const json_t *given, const cb_stack *stack,
                              const cb_data *data, cb_err *err) {
    cb_status st;
    json_t *all = NULL, *train = NULL;
    *out = NULL;
    if ((st = cbi_settings_resolve(&all, settings, given, "train", err)) != CB_OK ||
        (st = cbi_settings_identity(&train, settings, all, err)) != CB_OK ||
        (st = resolve_dependents(train, all, given, err)) != CB_OK ||
        (st = resolve_init(train, stack, err)) != CB_OK ||
        (st = resolve_readout_init(train, err)) != CB_OK ||
        (st = resolve_effects(train, stack, data, err)) != CB_OK ||
        (st = cbi_budget_resolve(train, stack, data, err)) != CB_OK ||
        (st = cbi_schedule_resolve(train, stack, data, err)) != CB_OK)
        goto out;
    *out = train;
    train = NULL;
out:
    json_decref(all);
    json_decref(train);
    return st;
}

double cbi_options_number(const json_t *resolved, const char *name) {
    const json_t *v = json_object_get(resolved, name);
    return json_is_number(v) ? json_number_value(v) : 0;
}

size_t cbi_options_count(const json_t *resolved, const char *name) {
    return (size_t)json_integer_value(json_object_get(resolved, name));
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

/* Number of the choice that was made; 0, the first, if it is left out. */
static int choice_of(const json_t *resolved, const char *name) {
    const char *word = json_string_value(json_object_get(resolved, name));
    const cb_setting_def *row = settings;
    while (strcmp(row->name, name) != 0)
        row++;
    return word ? position_of(row->choices, word) : 0;
}

cbi_schedule_kind cbi_options_schedule(const json_t *resolved) {
    return (cbi_schedule_kind)choice_of(resolved, "schedule");
}

static size_t segment_of(const json_t *resolved) {
    const size_t steps = cbi_options_count(resolved, "segment");
    const int is_on = json_is_integer(json_object_get(resolved, "segment"));
    return is_on && steps == 0 ? CBI_SEGMENT_AUTO : steps;
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

cb_status cbi_options_read(cbi_options *out, json_t *resolved, const cb_stack *stack,
                           const cb_data *data, cb_err *err) {
    cb_status st;
    *out = (cbi_options){
        .optimiser = json_string_value(json_object_get(resolved, "optimiser")),
        .rate = cbi_options_number(resolved, "rate"),
        .momentum = cbi_options_number(resolved, "momentum"),
        .beta1 = cbi_options_number(resolved, "beta1"),
        .beta2 = cbi_options_number(resolved, "beta2"),
        .epsilon = cbi_options_number(resolved, "epsilon"),
        .decay = cbi_options_number(resolved, "decay"),
        .weight_decay = cbi_options_number(resolved, "weight_decay"),
        .schedule = {.kind = cbi_options_schedule(resolved),
                     .hold = cbi_options_count(resolved, "schedule_hold"),
                     .epochs = cbi_options_count(resolved, "schedule_epochs"),
                     .factor = cbi_options_number(resolved, "schedule_factor"),
                     .warm_up = cbi_options_count(resolved, "warm_up")},
        .clip = cbi_options_number(resolved, "clip"),
        .clip_value = cbi_options_number(resolved, "clip_value"),
        .l2 = cbi_options_number(resolved, "l2"),
        .weight_noise = cbi_options_number(resolved, "weight_noise"),
        .input_noise = cbi_options_number(resolved, "input_noise"),
        .dropout = cbi_options_number(resolved, "dropout"),
        .input_dropout = cbi_options_number(resolved, "input_dropout"),
        .average = (cbi_average_kind)choice_of(resolved, "average"),
        .average_decay = cbi_options_number(resolved, "average_decay"),
        .average_epochs = cbi_options_count(resolved, "average_epochs"),
        .batch = cbi_options_count(resolved, "batch"),
        .epochs = cbi_options_count(resolved, "epochs"),
        .updates = cbi_options_count(resolved, "updates"),
        .operations = cbi_options_number(resolved, "operations"),
        .most_epochs = cbi_budget_epochs(resolved, stack, data),
        .patience = cbi_options_count(resolved, "patience"),
        .loss_scale = (cbi_loss_scale)choice_of(resolved, "loss_scale"),
        .shuffle = choice_of(resolved, "order") == 0,
        .unroll = cbi_options_count(resolved, "unroll"),
        .segment = segment_of(resolved),
    };
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
