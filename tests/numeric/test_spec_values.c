/* SPDX-License-Identifier: MIT */
/*
 * Values at the edges of what a specification can hold: each is a clear error, or comes back
 * exactly from the resolved text, with the same key. Whatever locale the host process has.
 */
#include <ftw.h>
#include <locale.h>
#include <math.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "trial_run.h"

#define ADDING "{'task':{'name':'adding'},"
#define TRAIN(settings) ADDING RNN ",'hidden':3,'train':{'epochs':2," settings "}}"

static cb_task *adding;

static int open_tasks(void **state) {
    (void)state;
    adding = open_task("adding", "{\"length\":4,\"train\":9,\"valid\":5,\"test\":5}");
    return 0;
}

static int close_tasks(void **state) {
    (void)state;
    cb_task_close(adding);
    return 0;
}

/* Resolves to a text that resolves to itself. The caller destroys. */
static cb_trial *resolve(const char *spec) {
    cb_err err = {0};
    cb_trial *a = make_trial(adding, spec), *b = NULL;
    if (cb_trial_create(&b, cb_trial_spec(a), adding, &err) != CB_OK)
        fail_msg("%s\n%s", cb_trial_spec(a), err.text);
    assert_string_equal(cb_trial_spec(a), cb_trial_spec(b));
    assert_string_equal(cb_trial_key(a), cb_trial_key(b));
    cb_trial_destroy(b);
    return a;
}

static double resolved_number(const cb_trial *trial, const char *name) {
    json_t *spec;
    const char *text = cb_trial_spec(trial);
    assert_int_equal(cbi_json_parse(&spec, text, strlen(text), "spec", NULL), CB_OK);
    const double value = json_number_value(json_object_get(json_object_get(spec, "train"), name));
    json_decref(spec);
    return value;
}

static void test_numbers_that_stay(void **state) {
    (void)state;
    static const char *const numbers[] = {"1e30",
                                          "5e-324",
                                          "2.2250738585072014e-308",
                                          "0.1",
                                          "1e-320",
                                          "0.30000000000000004",
                                          "9007199254740993",
                                          "123456789012345678"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char spec[1024];
        snprintf(spec, sizeof spec, TRAIN("'rate':%s"), numbers[i]);
        cb_trial *trial = resolve(spec);
        assert_true(resolved_number(trial, "rate") == cbi_strtod(numbers[i], NULL));
        cb_trial_destroy(trial);
    }
}

static void test_numbers_that_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        cb_status status;
        const char *piece;
    } cases[] = {
        {TRAIN("'rate':1e308"), CB_EARG, "rate: expected a number from 0 to 1e+30, got 1"},
        {TRAIN("'rate':-1e308"), CB_EARG, "rate: expected a number from 0"},
        {TRAIN("'rate':1e309"), CB_EPARSE, "real number overflow"},
        {TRAIN("'rate':NaN"), CB_EPARSE, "invalid token"},
        {TRAIN("'rate':Infinity"), CB_EPARSE, "invalid token"},
        {TRAIN("'rate':nan"), CB_EPARSE, "invalid token"},
        {TRAIN("'rate':-inf"), CB_EPARSE, "invalid token"},
        {TRAIN("'rate':1,5"), CB_EPARSE, "line 1"},
        {TRAIN("'rate':0x10"), CB_EPARSE, "line 1"},
        {TRAIN("'clip':5e-324"), CB_EARG, "clip: expected a number from 1e-30"},
        {TRAIN("'batch':9007199254740993"), CB_EARG, "batch: expected an integer from 1"},
        {TRAIN("'batch':1e308"), CB_EARG, "batch: expected an integer from 1"},
        {TRAIN("'batch':9223372036854775808"), CB_EPARSE, "too big integer"},
        {ADDING RNN ",'hidden':3,'seed':9223372036854775808}", CB_EPARSE, "too big integer"},
        {ADDING RNN ",'hidden':3,'seed':1e308}", CB_EARG, "seed: expected a whole number"},
        {ADDING RNN ",'hidden':3,'seed':-9223372036854775808}", CB_EARG, "seed: expected 0.."},
        {ADDING RNN ",'hidden':9223372036854775807}", CB_EARG, "hidden: expected 1.."},
        {ADDING RNN ",'params':9223372036854775807}", CB_EARG, "params: even hidden size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse_trial(adding, cases[i].spec, cases[i].status, cases[i].piece);
}

static void test_large_seeds(void **state) {
    (void)state;
    static const char *const seeds[] = {"9007199254740992", "9007199254740993",
                                        "9223372036854775807"};
    char key[65] = "", spec[1024], piece[64];
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        snprintf(spec, sizeof spec, ADDING RNN ",'hidden':3,'seed':%s}", seeds[i]);
        snprintf(piece, sizeof piece, "\"seed\":%s,", seeds[i]);
        cb_trial *trial = resolve(spec);
        assert_non_null(strstr(cb_trial_spec(trial), piece));
        assert_string_not_equal(cb_trial_key(trial), key);
        memcpy(key, cb_trial_key(trial), sizeof key);
        cb_trial_destroy(trial);
    }
}

/* There is one zero: -0.0 is 0.0 wherever a specification has numbers, in its key and in its bits.
 */
static void test_one_zero(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {TRAIN("'rate':-0.0"), TRAIN("'rate':0.0")},
        {TRAIN("'rate':-0"), TRAIN("'rate':0")},
        {TRAIN("'rate':-1e-400"), TRAIN("'rate':0")},
        {ADDING LSTM ",'hidden':3,'train':{'forget_bias':-0.0}}",
         ADDING LSTM ",'hidden':3,'train':{'forget_bias':0.0}}"},
        {TRAIN("'init':{'b':'constant(-0.0)'}"), TRAIN("'init':{'b':'constant(0)'}")},
        {TRAIN("'readout_init':'normal(-0)'"), TRAIN("'readout_init':'normal(0)'")},
        {ADDING "'hidden':3,'layers':[{'text':\"state h\\nset a = 1\\nh' = tanh(W x + a)\\n\","
                "'settings':{'a':-0.0}}]}",
         ADDING "'hidden':3,'layers':[{'text':\"state h\\nset a = 1\\nh' = tanh(W x + a)\\n\","
                "'settings':{'a':0}}]}"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        cb_trial *a = resolve(pairs[i][0]), *b = resolve(pairs[i][1]);
        assert_string_equal(cb_trial_spec(a), cb_trial_spec(b));
        record r = {0}, s = {0};
        cb_trial_result x = run(a, &r), y = run(b, &s);
        assert_int_equal(x.weight_count, y.weight_count);
        assert_memory_equal(x.weights, y.weights, x.weight_count * sizeof *x.weights);
        cb_free(x.weights);
        cb_free(y.weights);
        cb_trial_destroy(a);
        cb_trial_destroy(b);
    }
}

/* A cell's settings have the range of doubles; what f32 makes of them is the cell's affair. */
static void test_settings_of_cells(void **state) {
    (void)state;
    static const char *const values[] = {"1e308", "-1e308", "5e-324", "[1e308,0.1]"};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char spec[1024];
        snprintf(spec, sizeof spec,
                 ADDING "'hidden':3,'layers':[{'text':\"state h\\nset a = 1\\n%s\","
                        "'settings':{'a':%s}}],'train':{'epochs':1}}",
                 i == 3 ? "set periods = 1, 2\\nh' = tanh(W x + b)\\n" : "h' = tanh(W x + a*h)\\n",
                 values[i]);
        cb_err err = {0};
        cb_trial *trial = NULL;
        if (try_trial(&trial, adding, spec, &err) == CB_OK) {
            cb_trial_destroy(trial);
            trial = resolve(spec);
            record r = {0};
            cb_trial_result out = run(trial, &r);
            for (size_t k = 0; k < r.count; k++)
                assert_true(isfinite(r.rows[k].value));
            cb_free(out.weights);
        } else
            assert_true(err.text[0] != '\0');
        cb_trial_destroy(trial);
    }
}

/* ---- long texts ---- */

enum { LONG = 100000 };

/* head, a text of LONG letters, tail. Caller: free. */
static char *lengthen(const char *head, const char *tail) {
    char *spec = malloc(LONG + 2048), *letters = malloc(LONG + 1);
    assert_true(spec != NULL && letters != NULL);
    memset(letters, 'a', LONG);
    letters[LONG] = '\0';
    quote(spec, 1024, head);
    strcat(spec, letters);
    quote(spec + strlen(spec), 1024, tail);
    free(letters);
    return spec;
}

static void test_long_texts(void **state) {
    (void)state;
    static const struct {
        const char *head, *tail, *piece; /* NULL: taken */
    } cases[] = {
        {ADDING "'hidden':3,'layers':[{'name':'", "','text':'state h\\nh\\u0027 = W x\\n'}]}",
         NULL},
        {ADDING "'hidden':3,'layers':[{'text':'# ", "\\nstate h\\nh\\u0027 = W x\\n'}]}", NULL},
        {ADDING "'hidden':3,'layers':[{'text':'state ", "\\n'}]}", "layer 1"},
        {ADDING "'hidden':3,'layers':[{'text':'state h\\nh\\u0027 = ", "'}]}", "layer 1"},
        {ADDING "'hidden':3,'", "':1}", "unknown key 'aaa"},
        {ADDING "'hidden':3,'layers':[{'text':'state h\\nh\\u0027 = W x\\n'}],'train':{'", "':1}}",
         "unknown setting 'aaa"},
        {ADDING "'hidden':3,'layers':[{'text':'state h\\nh\\u0027 = W x\\n'}],"
                "'train':{'optimiser':'",
         "'}}", "optimiser: expected one of: sgd"},
        {ADDING "'hidden':3,'layers':[{'text':'state h\\nh\\u0027 = W x\\n'}],"
                "'train':{'readout_init':'",
         "'}}", "readout_init"},
        {ADDING "'hidden':3,'layers':[{'text':'state h\\nh\\u0027 = W x\\n'}],"
                "'train':{'init':{'",
         "':'zero'}}}", "no tensor or family 'aaa"},
        {"{'task':{'name':'", "'},'hidden':3}", "expected 'adding'"},
        {"", "", "line 1, column 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cb_err err = {0};
        cb_trial *trial;
        char *spec = lengthen(cases[i].head, cases[i].tail);
        cb_status st = cb_trial_create(&trial, spec, adding, &err);
        if ((st == CB_OK) != (cases[i].piece == NULL) ||
            (st != CB_OK && strstr(err.text, cases[i].piece) == NULL))
            fail_msg("case %zu: %s: %.300s", i, cb_status_name(st), err.text);
        cb_trial_destroy(trial);
        free(spec);
    }
}

/* ---- locales ---- */

static char locales[] = "/tmp/cellbench-locale-XXXXXX";

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place) {
    (void)info;
    (void)type;
    (void)place;
    return remove(path);
}

/* One with another decimal mark: of the system, or made for the test. */
static int set_numeric(const char *name) {
    char command[256];
    unsetenv(
        "LOCPATH"); /* what was once looked for in a folder and not found is not looked for again */
    if (setlocale(LC_NUMERIC, name) != NULL)
        return 1;
    snprintf(command, sizeof command, "localedef -f UTF-8 -i %.5s %s/%s >/dev/null 2>&1", name,
             locales, name);
    if (system(command) == -1 || setenv("LOCPATH", locales, 1) != 0)
        return 0;
    return setlocale(LC_NUMERIC, name) != NULL;
}

static char *resolved_text(void) {
    cb_trial *trial = resolve(
        ADDING "'hidden':3,'layers':[{'text':\"state h\\nset a = 0.5\\ninit b = normal(0.25)\\n"
               "h' = tanh(W x + a*h + 1.5*b)\\n\",'settings':{'a':0.75}}],'train':{'rate':0.0125,"
               "'init':{'W':'normal(0.125)'},'readout_init':'uniform(.5)'}}");
    char *text = strdup(cb_trial_spec(trial));
    cb_trial_destroy(trial);
    return text;
}

static void check_locale(const char *expected) {
    char number[32], *end, *text = resolved_text();
    assert_string_equal(text, expected);
    free(text);
    assert_true(cbi_strtod("-1.25e-3", &end) == -0.00125 && *end == '\0');
    assert_string_equal(cbi_number(number, 0.1), "0.1");
    assert_string_equal(cbi_number(number, 1.5e300), "1.5e+300");
}

static void test_locales(void **state) {
    (void)state;
    static const char *const names[] = {"C", "de_DE.UTF-8", "ps_AF.UTF-8"}; /* "٫": two bytes */
    size_t met = 0;
    char *expected = NULL;
    assert_non_null(mkdtemp(locales));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!set_numeric(names[i])) {
            print_message("skipped: %s: no such locale, and none could be made\n", names[i]);
            continue;
        }
        if (expected == NULL)
            expected = resolved_text();
        met += strcmp(localeconv()->decimal_point, ".") != 0;
        check_locale(expected);
    }
    (void)setlocale(LC_NUMERIC, "C");
    free(expected);
    assert_int_equal(nftw(locales, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    if (met == 0) {
        print_message("skipped: no locale with another decimal mark\n");
        skip();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_that_stay), cmocka_unit_test(test_numbers_that_are_refused),
        cmocka_unit_test(test_large_seeds),       cmocka_unit_test(test_one_zero),
        cmocka_unit_test(test_settings_of_cells), cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_locales),
    };
    return cmocka_run_group_tests(tests, open_tasks, close_tasks);
}
