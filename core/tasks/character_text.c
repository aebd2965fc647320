/* SPDX-License-Identifier: MIT */
/*
 * Text by character: predict the next one, in nats a character (bits = nats / ln 2). The text that
 * is taken where none is named, and the n-gram baselines; the reader is in characters.c.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "tasks/characters.h"

enum { MOST_BYTES = 1 << 27 }; /* of an unpacked file; the customary 100 MB of Wikipedia fit */

/* Below the one that CELLBENCH_DATA names. */
static const char *const folders[] = {"tinyshakespeare/", NULL};

/* ---- the text at hand ---- */

/* Every Debian has it, so that a text can be learnt without any download. */
static const char licences[] = "/usr/share/common-licenses";

enum { MOST_LICENCES = 64 };

typedef struct names {
    char *name[MOST_LICENCES];
    size_t count;
} names;

/* In the order of their bytes, whatever the locale. */
static cb_status insert_name(names *all, const char *name, cb_err *err) {
    size_t at = all->count;
    if (all->count == MOST_LICENCES)
        return cb_fail(err, CB_EDATA, "%s: expected at most %d files, got more", licences,
                       MOST_LICENCES);
    char *copy = cbi_strdup(name);
    if (copy == NULL)
        return cb_fail(err, CB_ENOMEM, "%s: no memory for its list of files", licences);
    for (; at > 0 && strcmp(all->name[at - 1], name) > 0; at--)
        all->name[at] = all->name[at - 1];
    all->name[at] = copy;
    all->count++;
    return CB_OK;
}

/* The regular files: the others are links to them. */
static cb_status list_licences(names *all, cb_err *err) {
    cb_status st = CB_OK;
    DIR *folder = opendir(licences);
    if (folder == NULL)
        return cb_fail(err, CB_EIO,
                       "file: none is given, and the text that is taken then, %s, cannot be read: "
                       "%s",
                       licences, strerror(errno));
    const struct dirent *entry;
    while (st == CB_OK && (entry = readdir(folder)) != NULL) {
        struct stat info;
        if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(info.st_mode))
            st = insert_name(all, entry->d_name, err);
    }
    (void)closedir(folder);
    return st;
}

/* The licence texts, one behind the other; as cbi_recorded_read does for a file. */
static cb_status read_licences(char **text, size_t *length, char **path, cb_data *data,
                               cb_err *err) {
    cb_status st = CB_OK;
    cbi_text all = {0};
    names files = {0};
    if ((st = list_licences(&files, err)) != CB_OK)
        goto out;
    for (size_t i = 0; i < files.count; i++) {
        cbi_text name = {0};
        char *full = NULL, *part = NULL;
        size_t n = 0;
        cbi_text_addf(&name, "%s/%s", licences, files.name[i]);
        if ((st = cbi_text_take(&name, &full, err)) == CB_OK)
            st = cbi_file_read(&part, &n, full, MOST_BYTES, err);
        if (st == CB_OK)
            cbi_text_add_n(&all, part, n);
        cbi_free(part);
        cbi_free(full);
        if (st != CB_OK)
            goto out;
    }
    *length = all.length;
    if ((st = cbi_text_take(&all, text, err)) != CB_OK)
        goto out;
    cbi_sha256_hex(*text, *length, data->sha256);
    if ((*path = cbi_strdup(licences)) == NULL)
        st = cb_fail(err, CB_ENOMEM, "%s: no memory for its name", licences);
out:
    for (size_t i = 0; i < files.count; i++)
        cbi_free(files.name[i]);
    cbi_text_fini(&all);
    return st;
}

/* ---- baselines ---- */

/* The frames of a split by their input symbol: the labels that follow symbol c are
 * next[begin[c]] .. next[begin[c+1]-1]. */
typedef struct followers {
    size_t *begin;
    int32_t *next;
} followers;

static void followers_fini(followers *of) {
    cbi_free(of->begin);
    cbi_free(of->next);
    *of = (followers){0};
}

static cb_status followers_init(followers *of, const cb_split *split, size_t symbols, cb_err *err) {
    size_t *end = NULL;
    of->begin = cbi_calloc(symbols + 2, sizeof *of->begin);
    of->next = cbi_calloc(split->frames, sizeof *of->next);
    if (of->begin == NULL || of->next == NULL) {
        followers_fini(of);
        return cb_fail(err, CB_ENOMEM, "no memory to count pairs of characters");
    }
    /* Counted two places on, summed up, and filled one place on: begin[c+1] runs from the first
     * place of c to that of c + 1. */
    end = of->begin + 1;
    for (size_t t = 0; t < split->frames; t++)
        end[split->index[t] + 1]++;
    for (size_t c = 1; c <= symbols; c++)
        end[c] += end[c - 1];
    for (size_t t = 0; t < split->frames; t++)
        of->next[end[split->index[t]]++] = split->label[t];
    return CB_OK;
}

/* Nats of `asked` labels under the frequencies of `seen` labels, each counted once more than it
 * was seen. `count` is all zero before and after. */
static double ngram_nats(double *count, size_t symbols, const int32_t *seen, size_t seen_count,
                         const int32_t *asked, size_t asked_count) {
    double nats = 0.0, total = (double)seen_count + (double)symbols;
    for (size_t i = 0; i < seen_count; i++)
        count[seen[i]] += 1.0;
    for (size_t i = 0; i < asked_count; i++)
        nats -= log((count[asked[i]] + 1.0) / total);
    for (size_t i = 0; i < seen_count; i++)
        count[seen[i]] = 0.0;
    return nats;
}

static double bigram_nats(double *count, size_t symbols, const followers *seen,
                          const followers *asked) {
    double nats = 0.0;
    for (size_t c = 0; c < symbols; c++)
        nats += ngram_nats(count, symbols, seen->next + seen->begin[c],
                           seen->begin[c + 1] - seen->begin[c], asked->next + asked->begin[c],
                           asked->begin[c + 1] - asked->begin[c]);
    return nats;
}

static cb_status add_baselines(cbi_dataset *set, cb_data *data, cb_err *err) {
    static const char *const units[] = {"nats", "bits"};
    const double divisors[] = {1.0, log(2.0)};
    const cb_split *train = &data->split[CB_TRAIN];
    size_t symbols = data->target_dim;
    double uni[CB_SPLITS] = {0}, bi[CB_SPLITS] = {0};
    followers seen = {0}, asked = {0};
    cb_status st = CB_OK;
    double *count = cbi_calloc(symbols, sizeof *count);
    if (count == NULL) {
        st = cb_fail(err, CB_ENOMEM, "no memory to count %zu characters", symbols);
        goto out;
    }
    if ((st = followers_init(&seen, train, symbols, err)) != CB_OK)
        goto out;
    for (cb_split_name k = CB_VALID; k < CB_SPLITS; k++) {
        const cb_split *here = &data->split[k];
        double frames = (double)here->frames;
        if ((st = followers_init(&asked, here, symbols, err)) != CB_OK)
            goto out;
        uni[k] =
            ngram_nats(count, symbols, train->label, train->frames, here->label, here->frames) /
            frames;
        bi[k] = bigram_nats(count, symbols, &seen, &asked) / frames;
        followers_fini(&asked);
    }
    for (size_t u = 0; u < 2; u++)
        cbi_baseline_add(set, data, "character 1-gram", units[u], uni[CB_VALID] / divisors[u],
                         uni[CB_TEST] / divisors[u]);
    for (size_t u = 0; u < 2; u++)
        cbi_baseline_add(set, data, "character 2-gram", units[u], bi[CB_VALID] / divisors[u],
                         bi[CB_TEST] / divisors[u]);
out:
    followers_fini(&asked);
    followers_fini(&seen);
    cbi_free(count);
    return st;
}

/* ---- the task ---- */

static cb_status text_fill(const void *context, cbi_dataset *set, cb_data *data,
                           const json_t *settings, cb_err *err) {
    cb_status st = CB_OK;
    char *path = NULL, *text = NULL;
    size_t length = 0, limit = cbi_setting_size(settings, "limit");
    const char *file = cbi_setting_text(settings, "file");
    const cbi_cut cut = cbi_cut_of(settings);
    (void)context;
    if (file != NULL)
        st = cbi_recorded_read(&text, &length, &path, data, file, folders, MOST_BYTES, err);
    else
        st = read_licences(&text, &length, &path, data, err);
    if (st == CB_OK)
        st = cbi_characters_read(set, data, text, length, limit, &cut, path, err);
    if (st == CB_OK)
        st = add_baselines(set, data, err);
    cbi_free(text);
    cbi_free(path);
    return st;
}

static cb_status text_open(cb_data *data, void **own, const char *settings_json, cb_err *err) {
    *data = (cb_data){
        .input = CB_INPUT_INDEX, .loss = CB_LOSS_SOFTMAX, .when = CB_WHEN_EACH, .metric = "nats"};
    return cbi_dataset_open(data, own, settings_json, text_fill, NULL, err);
}

static const cb_setting_def text_settings[] = {
    {"file", CB_SETTING_TEXT, "null", 0, 0, NULL, 0,
     "UTF-8 text, may be .gz; looked for here, then in the folder CELLBENCH_DATA and its "
     "tinyshakespeare; null: the texts of /usr/share/common-licenses, one behind the other"},
    {"limit", CB_SETTING_INT, "0", 0, 1e9, NULL, 1,
     "only the first characters of the text, so many; 0: all"},
    CBI_SETTINGS_CUT("100"),
    {0},
};

const cb_task_def cbi_task_text = {
    .name = "text",
    .summary = "the next character of a text",
    .source = "after Graves 2013, arXiv:1308.0850, and Karpathy's char-rnn; what a character is: "
              "Unicode code points; the symbols are those of the training part and one for all "
              "others",
    .chance = "n symbols alike: ln n nats a character; characters at their training frequencies "
              "(1-gram), and given the one before (2-gram), each counted once more than seen, are "
              "measured below; bits a character = nats / ln 2",
    .settings = text_settings,
    .open = text_open,
    .close = cbi_dataset_destroy,
};
