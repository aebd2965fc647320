/* SPDX-License-Identifier: MIT */
/*
 * Polyphonic music: predict the next frame of a piano roll, 88 independent Bernoullis, in nats a
 * frame. The two baselines; the reader is in notes.c.
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "tasks/notes.h"
#include "tasks/recorded.h"

enum { MOST_BYTES = 1 << 28 }; /* of an unpacked file; the largest of the literature has 5 MB */

/* Below the one that CELLBENCH_DATA names. */
static const char *const folders[] = {"jsb_chorales/", "polymusic/", NULL};

/* In how many frames of a split each key sounds. */
static void count_keys(double *count, const cb_split *split) {
    memset(count, 0, CBI_NOTES * sizeof *count);
    for (size_t t = 0; t < split->frames; t++)
        for (size_t k = 0; k < CBI_NOTES; k++)
            count[k] += (double)split->target[t * CBI_NOTES + k];
}

/*
 * Mean over the frames of a split of the nats of independent keys, each with the probability that
 * it had in training.
 *
 * A key that training never sounds would have probability 0 and cost infinitely much at its first
 * note. Laplace's rule of succession, (n + 1) / (N + 2), has no constant to choose and gives the
 * published figures on all four sets (11.06, 10.25, 11.51, 11.05 nats on test).
 */
static double unigram(const cb_data *data, cb_split_name split) {
    double train[CBI_NOTES], here[CBI_NOTES], nats = 0.0;
    double frames = (double)data->split[split].frames;
    count_keys(train, &data->split[CB_TRAIN]);
    count_keys(here, &data->split[split]);
    for (size_t k = 0; k < CBI_NOTES; k++) {
        double p = (train[k] + 1.0) / ((double)data->split[CB_TRAIN].frames + 2.0);
        nats -= here[k] * log(p) + (frames - here[k]) * log1p(-p);
    }
    return nats / frames;
}

static void add_baselines(cbi_dataset *set, cb_data *data) {
    const double coin = CBI_NOTES * log(2.0);
    cbi_baseline_add(set, data, "note 1-gram", "nats", unigram(data, CB_VALID),
                     unigram(data, CB_TEST));
    cbi_baseline_add(set, data, "fair coin", "nats", coin, coin);
}

static cb_status music_fill(const void *context, cbi_dataset *set, cb_data *data,
                            const json_t *settings, cb_err *err) {
    cb_status st = CB_OK;
    char *path = NULL, *text = NULL;
    size_t length = 0;
    const char *file = cbi_setting_text(settings, "file");
    (void)context;
    st = cbi_recorded_read(&text, &length, &path, data, file, folders, MOST_BYTES, err);
    if (st != CB_OK)
        return st;
    st = cbi_notes_read(set, data, text, length, cbi_setting_size(settings, "limit"), path, err);
    if (st == CB_OK)
        add_baselines(set, data);
    cbi_free(text);
    cbi_free(path);
    return st;
}

static cb_status music_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    *data = (cb_data){.input = CB_INPUT_DENSE,
                      .input_dim = CBI_NOTES,
                      .loss = CB_LOSS_BERNOULLI,
                      .when = CB_WHEN_EACH,
                      .target_dim = CBI_NOTES,
                      .metric = "nats"};
    return cbi_dataset_open(data, own, settings_json, music_fill, NULL, err);
}

static const cb_setting_def music_settings[] = {
    {"file", CB_SETTING_TEXT, NULL, 0, 0, NULL, 0,
     "JSON or JSON.gz note lists; looked for here, then in the folder CELLBENCH_DATA and its "
     "jsb_chorales and polymusic"},
    {"limit", CB_SETTING_INT, "0", 0, 1e9, NULL, 1,
     "only the first sequences of each split, so many; 0: all"},
    {0},
};

const cb_task_def cbi_task_music = {
    .name = "music",
    .summary = "the next frame of a piano roll of 88 keys",
    .source = "Boulanger-Lewandowski, Bengio, Vincent 2012, arXiv:1206.6392",
    .chance = "a fair coin for each key: 88 ln 2 = 61.00 nats a frame; independent keys at their "
              "training frequencies (note 1-gram): 11.06 on the test chorales",
    .settings = music_settings,
    .open = music_open,
    .close = cbi_dataset_destroy,
};
