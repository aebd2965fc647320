/* SPDX-License-Identifier: MIT */
/*
 * Text by character: symbols, splits and pieces, baselines against sums written out by hand, the
 * text that is always at hand, and what is refused.
 */
#include <dirent.h>
#include <math.h>

#include "task_file.h"

static const char *write_text(const char *text) {
    return write_file("text.txt", text, strlen(text));
}

/* Half for training; 8, 4 and 4 characters. */
#define HALF "\"valid_share\":0.25,\"test_share\":0.25,\"length\":3"
static const char small[] = "abacabad"
                            "abcz"
                            "d\xC3\xA9\xE2\x82\xAC"
                            "a"; /* d, e acute, the euro, a */

static void check_split(const cb_split *split, size_t n, const int32_t *symbols) {
    assert_int_equal(split->frames, n - 1);
    assert_memory_equal(split->index, symbols, (n - 1) * sizeof *symbols);
    assert_memory_equal(split->label, symbols + 1, (n - 1) * sizeof *symbols);
}

static void test_small(void **state) {
    static const int32_t train[] = {0, 1, 0, 2, 0, 1, 0, 3}, valid[] = {0, 1, 2, 4},
                         test[] = {3, 4, 4, 0};
    (void)state;
    cb_task *task = open_task("text", add_settings(write_text(small), HALF));
    const cb_data *data = cb_task_data(task);
    const cb_split *split = data->split;
    assert_int_equal(data->input, CB_INPUT_INDEX);
    assert_int_equal(data->loss, CB_LOSS_SOFTMAX);
    assert_int_equal(data->when, CB_WHEN_EACH);
    assert_int_equal(data->input_dim, 5); /* a b c d, and one for all others */
    assert_int_equal(data->target_dim, 5);
    check_split(&split[CB_TRAIN], 8, train);
    check_split(&split[CB_VALID], 4, valid);
    check_split(&split[CB_TEST], 4, test);
    assert_int_equal(split[CB_TRAIN].sequences, 3); /* 3, 3 and 1 */
    assert_int_equal(split[CB_TRAIN].start[2], 6);
    assert_int_equal(split[CB_TRAIN].start[3], 7);
    assert_int_equal(split[CB_TEST].sequences, 1);
    assert_string_equal(cb_task_identity(task), "{\"length\":3,\"limit\":0,\"test_share\":0.25,"
                                                "\"valid_share\":0.25}");
    assert_int_equal(strlen(data->sha256), 64);
    cb_task_close(task);
}

static void check_baseline(const cb_baseline *base, const char *name, double valid, double test) {
    assert_string_equal(base[0].name, name);
    assert_string_equal(base[0].metric, "nats");
    assert_true(fabs(base[0].valid - valid) < 1e-12);
    assert_true(fabs(base[0].test - test) < 1e-12);
    assert_string_equal(base[1].name, name);
    assert_string_equal(base[1].metric, "bits");
    assert_true(fabs(base[1].valid - valid / log(2.0)) < 1e-12);
    assert_true(fabs(base[1].test - test / log(2.0)) < 1e-12);
}

/* Five symbols. Labels of training: a 3, b 2, c 1, d 1; pairs: ab 2, ac 1, ad 1, ba 2, ca 1. */
static void test_baselines(void **state) {
    (void)state;
    cb_task *task = open_task("text", add_settings(write_text(small), HALF));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->baseline_count, 4);
    check_baseline(data->baselines, "character 1-gram",
                   -(log(3.0 / 12) + log(2.0 / 12) + log(1.0 / 12)) / 3,
                   -(log(1.0 / 12) + log(1.0 / 12) + log(4.0 / 12)) / 3);
    check_baseline(data->baselines + 2, "character 2-gram",
                   -(log(3.0 / 9) + log(1.0 / 7) + log(1.0 / 6)) / 3, log(5.0));
    cb_task_close(task);
}

static void test_limit_and_shares(void **state) {
    (void)state;
    const char *settings = write_text("abcdefghijklmnopqrstuvwxyz");
    cb_task *task = open_task("text", add_settings(settings, "\"limit\":20"));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->split[CB_TRAIN].frames, 15); /* 16, 2, 2 characters */
    assert_int_equal(data->split[CB_VALID].frames, 1);
    assert_int_equal(data->input_dim, 17);
    cb_task_close(task);
    expect_failure("text", add_settings(settings, "\"valid_share\":0.5,\"test_share\":0.5"),
                   CB_EARG, "valid_share", "less than 1");
    expect_failure("text", add_settings(settings, "\"valid_share\":1.5"), CB_EARG, "valid_share",
                   "1.5");
    expect_failure("text", add_settings(settings, "\"test_share\":0"), CB_EDATA, "'test'",
                   "at least 2 characters, got 0 of the 26");
    expect_failure("text", add_settings(settings, "\"valid_share\":0.98,\"test_share\":0.01"),
                   CB_EDATA, "'train'", "got 1 of the 26");
    expect_failure("text", add_settings(settings, "\"length\":0"), CB_EARG, "length", "0");
}

/* ---- what is refused ---- */

static void refuse(const void *bytes, size_t n, const char *first, const char *second) {
    expect_failure("text", write_file("text.txt", bytes, n), CB_EDATA, first, second);
    expect_failure("text", write_file("text.txt", bytes, n), CB_EDATA, "text.txt", "task 'text'");
}

static void test_refused(void **state) {
    (void)state;
    refuse("", 0, "at least 2 characters", "got 0");
    refuse("a", 1, "at least 2 characters", "of the 1 there");
    refuse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 30, "different characters", "U+0061");
    refuse("aaaaaaaaaaaaaaaaaaaaaaaabbbbbb", 30, "different characters", "'train'");
    refuse("text\0text", 9, "zero byte", "at 4");
    expect_failure("text", "{\"file\":\"\"}", CB_EARG, "file", "empty");
    expect_failure("text", "{\"file\":\"/nowhere/a.txt\"}", CB_EIO, "/nowhere/a.txt", "");
    expect_failure("text", "{\"file\":\"/tmp\"}", CB_EIO, "/tmp", "folder");
}

/* Each behind "ab": not UTF-8, and the offset is that of the character's first byte. */
static void test_not_utf8(void **state) {
    static const char *const wrong[] = {
        "\x80",         "\xBF",         "\xC0\xAF",         "\xC1\xBF",         "\xC3",
        "\xC3(",        "\xE0\x9F\xBF", "\xE2\x82",         "\xE2(\xA1",        "\xED\xA0\x80",
        "\xED\xBF\xBF", "\xF0\x9F\x98", "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFF",         "\xFE\xFF",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[32], byte[32];
        snprintf(text, sizeof text, "ab%s", wrong[i]);
        snprintf(byte, sizeof byte, "byte 0x%02x at 2", (unsigned char)wrong[i][0]);
        refuse(text, strlen(text), "UTF-8", byte);
    }
}

/* The ends of each range of code points are characters of their own, in their order. */
static void test_utf8(void **state) {
    static const char ends[] = "\x01\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80"
                               "\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF";
    char text[128];
    (void)state;
    snprintf(text, sizeof text, "%s%s", ends, "aaaa");
    cb_task *task = open_task(
        "text", add_settings(write_text(text), "\"valid_share\":0.15,\"test_share\":0.15"));
    const cb_data *data = cb_task_data(task);
    assert_int_equal(data->input_dim, 11);
    for (int32_t c = 0; c < 9; c++)
        assert_int_equal(data->split[CB_TRAIN].index[c], c);
    cb_task_close(task);
}

/* n different characters of three bytes each, from U+4E00 (as many Chinese texts have), and some
 * more of the first for the other splits. */
static size_t many_characters(char *text, unsigned n) {
    char *p = text;
    for (unsigned i = 0; i < n + n / 2; i++) {
        unsigned c = 0x4E00 + (i < n ? i : 0);
        *p++ = (char)(0xE0 | c >> 12);
        *p++ = (char)(0x80 | (c >> 6 & 0x3F));
        *p++ = (char)(0x80 | (c & 0x3F));
    }
    return (size_t)(p - text);
}

static void test_many_symbols(void **state) {
    static char text[10000 * 5];
    static const char shares[] = "\"valid_share\":0.1666,\"test_share\":0.1666";
    (void)state;
    size_t n = many_characters(text, 9999);
    cb_task *task = open_task("text", add_settings(write_file("many.txt", text, n), shares));
    assert_int_equal(cb_task_data(task)->input_dim, 10000);
    cb_task_close(task);
    n = many_characters(text, 10000);
    expect_failure("text", add_settings(write_file("many.txt", text, n), shares), CB_EDATA,
                   "fewer than 10000", "got 10000");
}

static void test_too_large(void **state) {
    char path[128];
    (void)state;
    const char *settings = write_file("large.txt", "", 0);
    snprintf(path, sizeof path, "%s/large.txt", folder);
    assert_int_equal(truncate(path, ((off_t)1 << 27) + 1), 0);
    expect_failure("text", settings, CB_EDATA, "large.txt", "at most 134217728 bytes");
    assert_int_equal(remove(path), 0);
}

static void test_allocations(void **state) {
    (void)state;
    check_every_allocation("text", add_settings(write_text(small), HALF));
}

/* ---- texts that are there ---- */

/* Bytes of the regular files in a folder; 0: there is none. */
static size_t folder_bytes(const char *name) {
    size_t bytes = 0;
    DIR *dir = opendir(name);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        struct stat info;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        if (lstat(path, &info) == 0 && S_ISREG(info.st_mode))
            bytes += (size_t)info.st_size;
    }
    if (dir != NULL)
        closedir(dir);
    return bytes;
}

static void test_licences(void **state) {
    (void)state;
    size_t bytes = folder_bytes("/usr/share/common-licenses");
    if (bytes == 0) {
        print_message("skipped: /usr/share/common-licenses is not there\n");
        skip();
    }
    cb_task *task = open_task("text", "{}"), *again = open_task("text", "{}");
    const cb_data *data = cb_task_data(task);
    size_t characters = 0;
    for (int k = 0; k < CB_SPLITS; k++) {
        const cb_split *split = &data->split[k];
        characters += split->frames + 1;
        for (size_t s = 1; s < split->sequences; s++) {
            size_t first = split->start[s];
            assert_int_equal(split->index[first], split->label[first - 1]);
            assert_int_equal(split->start[s] - split->start[s - 1], 100);
        }
    }
    assert_int_equal(characters, bytes); /* they are ASCII */
    assert_true(data->baselines[0].test < log((double)data->target_dim));
    assert_true(data->baselines[2].test < data->baselines[0].test - 0.5);
    assert_string_equal(data->sha256, cb_task_data(again)->sha256);
    assert_int_equal(strlen(data->sha256), 64);
    cb_task_close(again);
    cb_task_close(task);
    check_every_allocation("text", "{\"limit\":2000}");
}

/* Figures of a computation that shares nothing with this one. */
static void test_shakespeare(void **state) {
    (void)state;
    need_data();
    cb_task *task = open_task("text", "{\"file\":\"input.txt\"}");
    const cb_data *data = cb_task_data(task);
    assert_string_equal(data->sha256,
                        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed");
    assert_int_equal(data->target_dim, 66);
    assert_int_equal(data->split[CB_TEST].frames, 111538);
    assert_true(fabs(data->baselines[0].test - 3.3479210464205145) < 1e-9);
    assert_true(fabs(data->baselines[2].test - 2.5034926530778523) < 1e-9);
    cb_task_close(task);
    unsetenv("CELLBENCH_DATA");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_baselines),
        cmocka_unit_test(test_limit_and_shares),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_utf8),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_many_symbols),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_licences),
        cmocka_unit_test(test_shakespeare),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
