/* SPDX-License-Identifier: MIT */
/*
 * Polyphonic music: the reader's frames, what it refuses and how it says so, where files are looked
 * for, and the published note 1-gram on the real data sets (skipped where they are not there).
 */
#include <math.h>

#include "task_file.h"

static const char *write_text(const char *text) {
    return write_file("set.json", text, strlen(text));
}

static const char small[] = "{\"train\":[[[60,64,60],[],[21,108,-1]],[[22]]],"
                            "\"valid\":[[[60]]],\"test\":[[[61],[-1]]],\"about\":1}";
enum { SMALL_TRAIN = 4, KEYS = 88 };

/* The keys (from 0) that sound in a row, which holds nothing but 0 and 1. */
static void assert_keys(const float *row, int first, int second) {
    for (int k = 0; k < KEYS; k++)
        assert_true(row[k] == (k == first || k == second ? 1.0F : 0.0F));
}

static void check_small(const cb_task *task) {
    const cb_data *data = cb_task_data(task);
    const cb_split *train = &data->split[CB_TRAIN];
    assert_int_equal(data->input, CB_INPUT_DENSE);
    assert_int_equal(data->loss, CB_LOSS_BERNOULLI);
    assert_int_equal(data->when, CB_WHEN_EACH);
    assert_int_equal(data->input_dim, KEYS);
    assert_int_equal(data->target_dim, KEYS);
    assert_int_equal(train->sequences, 2);
    assert_int_equal(train->frames, SMALL_TRAIN);
    assert_int_equal(train->start[1], 3);
    assert_keys(train->target, 39, 43);
    assert_keys(train->target + KEYS, -1, -1);
    assert_keys(train->target + 2 * KEYS, 0, 87);
    assert_keys(train->target + 3 * KEYS, 1, 1);
    assert_keys(train->x, -1, -1);
    assert_keys(train->x + KEYS, 39, 43);
    assert_keys(train->x + 2 * KEYS, -1, -1);
    assert_keys(train->x + 3 * KEYS, -1, -1); /* the second sequence starts from nothing too */
    assert_int_equal(data->split[CB_TEST].frames, 2);
}

static void test_small(void **state) {
    (void)state;
    cb_task *task = open_task("music", write_text(small));
    const cb_data *data = cb_task_data(task);
    check_small(task);
    assert_string_equal(cb_task_identity(task), "{\"limit\":0}");
    assert_int_equal(strlen(data->sha256), 64);
    /* Valid holds key 39 alone; 4 training frames: (n + 1) / 6 for each key by the rule of
     * succession; keys 0, 1, 39, 43 and 87 were seen once. */
    double expected = -log(2.0 / 6.0) - 4.0 * log(4.0 / 6.0) - 83.0 * log(5.0 / 6.0);
    assert_string_equal(data->baselines[0].name, "note 1-gram");
    assert_true(fabs(data->baselines[0].valid - expected) < 1e-12);
    assert_string_equal(data->baselines[1].name, "fair coin");
    assert_true(fabs(data->baselines[1].test - 88.0 * log(2.0)) < 1e-12);
    cb_task_close(task);
}

/* `{"train":[[[60,64],[]]],"valid":[[[60]]],"test":[[[61]]]}`, packed by gzip -n9. */
static const unsigned char packed[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x29, 0x4a, 0xcc,
    0xcc, 0x53, 0xb2, 0x8a, 0x8e, 0x8e, 0x36, 0x33, 0xd0, 0x31, 0x33, 0x89, 0xd5, 0x89, 0x8e, 0x8d,
    0x8d, 0xd5, 0x51, 0x2a, 0x4b, 0xcc, 0xc9, 0x4c, 0x81, 0x0a, 0x83, 0x05, 0x4a, 0x52, 0x8b, 0x4b,
    0x20, 0x7c, 0x43, 0x20, 0xbf, 0x16, 0x00, 0xb2, 0x18, 0x8c, 0x8f, 0x39, 0x00, 0x00, 0x00};

/* Packed or not, it is the same data: the hash is that of the unpacked bytes. */
static void test_packed(void **state) {
    (void)state;
    cb_task *plain = open_task(
        "music", write_text("{\"train\":[[[60,64],[]]],\"valid\":[[[60]]],\"test\":[[[61]]]}"));
    cb_task *gz = open_task("music", write_file("set.json.gz", packed, sizeof packed));
    const cb_split *a = &cb_task_data(plain)->split[CB_TRAIN];
    const cb_split *b = &cb_task_data(gz)->split[CB_TRAIN];
    assert_string_equal(cb_task_data(plain)->sha256, cb_task_data(gz)->sha256);
    assert_int_equal(a->frames, 2);
    assert_int_equal(b->frames, 2);
    assert_memory_equal(a->target, b->target, 2 * KEYS * sizeof *a->target);
    cb_task_close(gz);
    cb_task_close(plain);
}

static void test_damaged_packed(void **state) {
    (void)state;
    unsigned char damaged[sizeof packed];
    memcpy(damaged, packed, sizeof packed);
    damaged[30] ^= 0x40;
    const char *settings = write_file("bad.json.gz", damaged, sizeof damaged);
    expect_failure("music", settings, CB_EDATA, "bad.json.gz", "");
    settings = write_file("bad.json.gz", packed, sizeof packed - 9);
    expect_failure("music", settings, CB_EDATA, "bad.json.gz", "");
}

static void refuse(const char *text, cb_status status, const char *first, const char *second) {
    expect_failure("music", write_text(text), status, first, second);
    expect_failure("music", write_text(text), status, "set.json", "music");
}

#define REST "\"valid\":[[[60]]],\"test\":[[[61]]]}"

static void test_refused(void **state) {
    (void)state;
    refuse("", CB_EPARSE, "", "");
    refuse("notes", CB_EPARSE, "line 1", "");
    refuse("{\"train\":[[[60]]]," REST "x", CB_EPARSE, "line 1", "");
    refuse("[[[60]]]", CB_EDATA, "object", "a list");
    refuse("{\"train\":[[[60]]],\"valid\":[[[60]]]}", CB_EDATA, "'test'", "nothing");
    refuse("{\"train\":{}," REST, CB_EDATA, "'train'", "an object");
    refuse("{\"train\":[]," REST, CB_EDATA, "'train'", "none");
    refuse("{\"train\":[[[60]],[]]," REST, CB_EDATA, "'train', sequence 2", "empty");
    refuse("{\"train\":[[[60]],7]," REST, CB_EDATA, "'train', sequence 2", "an integer");
    refuse("{\"train\":[[[60],60]]," REST, CB_EDATA, "sequence 1, step 2", "an integer");
    refuse("{\"train\":[[[60],[20]]]," REST, CB_EDATA, "sequence 1, step 2", "got 20");
    refuse("{\"train\":[[[60],[109]]]," REST, CB_EDATA, "sequence 1, step 2", "got 109");
    refuse("{\"train\":[[[-2]]]," REST, CB_EDATA, "sequence 1, step 1", "got -2");
    refuse("{\"train\":[[[60.5]]]," REST, CB_EDATA, "sequence 1, step 1", "got 60.5");
    refuse("{\"train\":[[[\"60\"]]]," REST, CB_EDATA, "sequence 1, step 1", "a text");
    refuse("{\"train\":[[[[60]]]]," REST, CB_EDATA, "sequence 1, step 1", "a list");
    refuse("{\"train\":[[[60]]],\"valid\":[[[60]]],\"test\":[[[60]],[[61],[99],[0]]]}", CB_EDATA,
           "'test', sequence 2, step 3", "21..108");
}

static void test_limit(void **state) {
    (void)state;
    cb_task *task = open_task("music", add_settings(write_text(small), "\"limit\":1"));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->split[CB_TRAIN].sequences, 1);
    assert_int_equal(data->split[CB_TRAIN].frames, 3);
    assert_int_equal(data->split[CB_TEST].sequences, 1);
    assert_string_equal(cb_task_identity(task), "{\"limit\":1}");
    cb_task_close(task);
}

static void test_where_it_looks(void **state) {
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/polymusic", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("polymusic/near.json", small, sizeof small - 1);

    expect_failure("music", "{\"file\":\"\"}", CB_EARG, "file", "empty");
    unsetenv("CELLBENCH_DATA");
    expect_failure("music", "{\"file\":\"near.json\"}", CB_EIO, "near.json", "CELLBENCH_DATA");
    setenv("CELLBENCH_DATA", folder, 1);
    cb_task *task = open_task("music", "{\"file\":\"near.json\"}");
    check_small(task);
    cb_task_close(task);
    snprintf(path, sizeof path, "%s/jsb_chorales/far.json", folder);
    expect_failure("music", "{\"file\":\"far.json\"}", CB_EIO, path, "/polymusic/far.json");
    expect_failure("music", "{\"file\":\"/nowhere/x.json\"}", CB_EIO, "/nowhere/x.json", "");
    expect_failure("music", "{\"file\":\"polymusic\"}", CB_EIO, "polymusic", "");
    unsetenv("CELLBENCH_DATA");
}

static void test_allocations(void **state) {
    (void)state;
    check_every_allocation("music", write_text(small));
}

/* ---- the real sets ---- */

/* The published row of Boulanger-Lewandowski, Bengio, Vincent 2012, and the sizes of the data. */
static const struct real {
    const char *file;
    size_t frames[CB_SPLITS];
    double unigram;
} real[] = {
    {"jsb-chorales-quarter.json", {13807, 4602, 4725}, 11.06},
    {"JSB_Chorales.json.gz", {13807, 4602, 4725}, 11.06},
    {"Nottingham.json.gz", {176561, 45513, 44463}, 10.25},
    {"MuseData.json.gz", {245202, 82755, 64339}, 11.51},
    {"Piano_midi.json.gz", {75911, 8540, 19036}, 11.05},
};

static void test_real(void **state) {
    (void)state;
    need_data();
    for (size_t i = 0; i < sizeof real / sizeof *real; i++) {
        char settings[128];
        snprintf(settings, sizeof settings, "{\"file\":\"%s\"}", real[i].file);
        cb_task *task = open_task("music", settings);
        const cb_data *data = cb_task_data(task);
        for (int k = 0; k < CB_SPLITS; k++)
            assert_int_equal(data->split[k].frames, real[i].frames[k]);
        print_message("%s: note 1-gram %.4f valid, %.4f test\n", real[i].file,
                      data->baselines[0].valid, data->baselines[0].test);
        assert_true(fabs(data->baselines[0].test - real[i].unigram) < 0.005);
        cb_task_close(task);
    }
    unsetenv("CELLBENCH_DATA");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),          cmocka_unit_test(test_packed),
        cmocka_unit_test(test_damaged_packed), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limit),          cmocka_unit_test(test_where_it_looks),
        cmocka_unit_test(test_allocations),    cmocka_unit_test(test_real),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
