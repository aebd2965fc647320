/* SPDX-License-Identifier: MIT */
/* Growing texts, numbers as text, hashes, and the nearest known name. */
#include <float.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/text.h"

static void pieces_are_joined(void **state) {
    cbi_text text = {0};
    char *out = NULL;
    (void)state;
    cbi_text_add(&text, "a");
    cbi_text_add_n(&text, "bcd", 2);
    cbi_text_addf(&text, "-%d-%s", 12, "x");
    cbi_text_add(&text, "");
    assert_int_equal(text.length, 8);
    assert_int_equal(cbi_text_take(&text, &out, NULL), CB_OK);
    assert_string_equal(out, "abc-12-x");
    assert_null(text.data);
    cbi_free(out);
}

static void empty_text_is_a_text(void **state) {
    cbi_text text = {0};
    char *out = NULL;
    (void)state;
    assert_int_equal(cbi_text_take(&text, &out, NULL), CB_OK);
    assert_string_equal(out, "");
    cbi_free(out);
    cbi_text_fini(&text);
}

static void long_formats_fit(void **state) {
    static char longer[5000];
    cbi_text text = {0};
    (void)state;
    memset(longer, 'y', sizeof longer - 1);
    cbi_text_addf(&text, "%s%s", longer, longer);
    assert_int_equal(text.length, 9998);
    assert_int_equal(strlen(text.data), 9998);
    cbi_text_fini(&text);
}

static void check_number(double value, const char *expected) {
    char buffer[32];
    assert_string_equal(cbi_number(buffer, value), expected);
}

static void numbers_are_shortest(void **state) {
    (void)state;
    check_number(0.1, "0.1");
    check_number(0.1 + 0.2, "0.30000000000000004");
    check_number(1, "1");
    check_number(-1e300, "-1e+300");
    check_number(5e-324, "4.94065645841247e-324");
    check_number(1.0 / 3, "0.3333333333333333");
    check_number(INFINITY, "inf");
    check_number(-INFINITY, "-inf");
    check_number(NAN, "nan");
}

static void numbers_read_back(void **state) {
    static const double values[] = {DBL_MAX, DBL_MIN, DBL_EPSILON, -2.5, 1e22, 1e23, 123456789.125};
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char buffer[32];
        assert_true(strtod(cbi_number(buffer, values[i]), NULL) == values[i]);
    }
}

static void numbers_ignore_the_locale(void **state) {
    (void)state;
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL) {
        print_message("skipped: the locale de_DE.UTF-8 is not installed\n");
        skip();
    }
    check_number(0.5, "0.5");
    (void)setlocale(LC_NUMERIC, "C");
}

static const char *nearest(const char *wanted, const char *const *names) {
    static cbi_near near;
    cbi_near_init(&near, wanted);
    for (; *names != NULL; names++)
        cbi_near_offer(&near, *names);
    return cbi_near_text(&near);
}

static void nearest_name_is_found(void **state) {
    static const char *const names[] = {"hidden", "rate", "epochs", "batch", "c", "clip", NULL};
    (void)state;
    assert_string_equal(nearest("hiden", names), ", did you mean 'hidden'?");
    assert_string_equal(nearest("hdiden", names), ", did you mean 'hidden'?");
    assert_string_equal(nearest("epoch", names), ", did you mean 'epochs'?");
    assert_string_equal(nearest("HIDDEN", names), ", did you mean 'hidden'?");
    assert_string_equal(nearest("rtae", names), ", did you mean 'rate'?");
    assert_string_equal(nearest("clop", names), ", did you mean 'clip'?");
    assert_string_equal(nearest("momentum", names), "");
    assert_string_equal(nearest("x", names), "");
    assert_string_equal(nearest("", names), "");
}

static void nearer_beats_near(void **state) {
    static const char *const names[] = {"layerz", "layers", "layer", NULL};
    char longest[200];
    const char *const one[] = {longest, NULL};
    (void)state;
    assert_string_equal(nearest("layerss", names), ", did you mean 'layers'?");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_string_equal(nearest(longest, one), "");
    longest[64] = '\0';
    assert_non_null(strstr(nearest(longest + 1, one), "aaaa'?"));
}

static void hash_is_sha256(void **state) {
    char hex[CBI_SHA256_HEX];
    (void)state;
    cbi_sha256_hex("abc", 3, hex); /* FIPS 180-2, appendix B.1 */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    cbi_sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_joined),     cmocka_unit_test(empty_text_is_a_text),
        cmocka_unit_test(long_formats_fit),      cmocka_unit_test(numbers_are_shortest),
        cmocka_unit_test(numbers_read_back),     cmocka_unit_test(numbers_ignore_the_locale),
        cmocka_unit_test(nearest_name_is_found), cmocka_unit_test(nearer_beats_near),
        cmocka_unit_test(hash_is_sha256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
