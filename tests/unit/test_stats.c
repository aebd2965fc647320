/* SPDX-License-Identifier: MIT */
/*
 * Statistics against figures of another program. They were made with mpmath 1.3.0 at 40 digits:
 * beta by mpmath.betainc(a, b, 0, x, regularized=True), with x as the double nearest to the number
 * written; t by 140 steps of bisection on betainc(v/2, 1/2, 0, v/(v + t^2), regularized=True)/2 =
 * 1 - p, with p as a double likewise. Rounded to 17 digits. The figures of the other distributions
 * are in stats_figures.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "unit/stats_figures.h"

#include "cellbench/stats.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const double tolerance = 1e-9; /* relative: what the header promises */

static void assert_close(double got, double expected, const char *what, double a, double b) {
    if (!(fabs(got - expected) <= tolerance * fabs(expected)))
        fail_msg("%s(%g, %g): expected %.17g, got %.17g", what, a, b, expected, got);
}

/* clang-format off */
static const struct { double a, b, x, value; } betas[] = {
    {0.5, 0.5, 0.3, 0.36901011956554538},
    {2, 3, 0.4, 0.52480000000000004},
    {5, 0.5, 0.9, 0.31664291502001231},
    {0.5, 5, 0.01, 0.2428418908984375},
    {50, 60, 0.45, 0.46423529143060363},
    {1, 1, 0.25, 0.25},
    {500, 0.5, 0.999, 0.31731044730971715},
    {10, 2, 0.001, 1.0990000000000002e-29},
};

static const struct { double p; int dof; double t; } quantiles[] = {
    {0.975, 1, 12.706204736174693},
    {0.975, 2, 4.3026527297494618},
    {0.975, 3, 3.1824463052837084},
    {0.975, 4, 2.7764451051977935},
    {0.975, 5, 2.5705818356363148},
    {0.975, 9, 2.262157162798205},
    {0.975, 10, 2.2281388519862742},
    {0.975, 29, 2.0452296421327039},
    {0.975, 100, 1.9839715185235519},
    {0.975, 1000, 1.9623390808264081},
    {0.995, 1, 63.656741162871524},
    {0.995, 2, 9.9248432009182886},
    {0.995, 3, 5.8409093097333554},
    {0.995, 4, 4.604094871349992},
    {0.995, 5, 4.0321429835552272},
    {0.995, 9, 3.2498355415921257},
    {0.995, 10, 3.1692726726169507},
    {0.995, 29, 2.7563859036706051},
    {0.995, 100, 2.6258905214380176},
    {0.995, 1000, 2.5807546980659508},
    {0.9, 1, 3.0776835371752541},
    {0.9, 2, 1.885618083164127},
    {0.9, 3, 1.6377443536962103},
    {0.9, 4, 1.5332062740589441},
    {0.9, 5, 1.4758840488244813},
    {0.9, 9, 1.3830287383966325},
    {0.9, 10, 1.3721836411103358},
    {0.9, 29, 1.3114336473015512},
    {0.9, 100, 1.2900747613465161},
    {0.9, 1000, 1.2823987214609246},
    {0.51, 1, 0.031426266043351176},
    {0.51, 2, 0.028289929799333577},
    {0.51, 3, 0.02721146704911802},
    {0.51, 4, 0.02667061830263903},
    {0.51, 5, 0.026346712342273262},
    {0.51, 9, 0.025774047507690514},
    {0.51, 10, 0.02570289300809031},
    {0.51, 29, 0.025286049562012943},
    {0.51, 100, 0.025131697537714597},
    {0.51, 1000, 0.025075180209466442},
    {0.999999, 1, 318309.88617359026},
    {0.999999, 2, 707.10572051576712},
    {0.999999, 3, 103.29946777942897},
    {0.999999, 4, 41.577854150151499},
    {0.999999, 5, 24.771029720372489},
    {0.999999, 9, 10.720160409872825},
    {0.999999, 10, 9.7519954909098546},
    {0.999999, 29, 5.9171055404491024},
    {0.999999, 100, 5.0488308772214468},
    {0.999999, 1000, 4.7816086204524386},
};
/* clang-format on */

static void test_beta(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof betas / sizeof betas[0]; i++) {
        const double a = betas[i].a, b = betas[i].b, x = betas[i].x;
        assert_close(cb_stats_beta(a, b, x), betas[i].value, "beta", a, b);
        assert_true(fabs(cb_stats_beta(b, a, 1.0 - x) + betas[i].value - 1.0) < 1e-12);
    }
    assert_true(cb_stats_beta(2, 3, 0) == 0.0);
    assert_true(cb_stats_beta(2, 3, 1) == 1.0);
    assert_true(isnan(cb_stats_beta(0, 3, 0.5)));
    assert_true(isnan(cb_stats_beta(2, -1, 0.5)));
    assert_true(isnan(cb_stats_beta(2, 3, 1.5)));
    assert_true(isnan(cb_stats_beta(2, 3, (double)NAN)));
}

static void test_t(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        const double p = quantiles[i].p, dof = quantiles[i].dof, t = quantiles[i].t;
        assert_close(cb_stats_t_quantile(p, dof), t, "quantile", p, dof);
        assert_true(fabs(cb_stats_t_cdf(t, dof) - p) < 1e-12);
        assert_true(fabs(cb_stats_t_cdf(-t, dof) - (1.0 - p)) < 1e-12);
    }
    /* The normal distribution at the end of the promised range: 1.959963984540054 at 0.975, and the
     * first term of the expansion in 1/dof. */
    const double z = 1.959963984540054, dof = 1e5;
    assert_true(fabs(cb_stats_t_quantile(0.975, dof) - z - (z * z * z + z) / (4 * dof)) < 1e-9);
    assert_true(cb_stats_t_quantile(0.5, 3) == 0.0 || fabs(cb_stats_t_quantile(0.5, 3)) < 1e-12);
    assert_true(isnan(cb_stats_t_quantile(0, 3)));
    assert_true(isnan(cb_stats_t_quantile(1, 3)));
    assert_true(isnan(cb_stats_t_quantile(0.9, 0)));
    assert_true(isnan(cb_stats_t_cdf((double)NAN, 3)));
    assert_true(cb_stats_t_cdf((double)INFINITY, 3) == 1.0);
}

static void test_mean(void **state) {
    (void)state;
    /* 2, 4, 9: mean 5, squares 9 + 1 + 16, sd sqrt(13); t(0.975, 2) = 4.30265272974946, so the
     * half width is 4.30265272974946 * sqrt(13/3). */
    const double values[] = {2, (double)NAN, 4, 9, (double)INFINITY};
    const cb_stats_mean three = cb_stats_mean_of(values, 5, 0.95);
    assert_int_equal(three.n, 3);
    assert_true(three.mean == 5.0);
    assert_close(three.sd, sqrt(13.0), "sd", 0, 0);
    assert_close(three.high - 5.0, 4.30265272974946 * sqrt(13.0 / 3.0), "half width", 0, 0);
    assert_close(5.0 - three.low, three.high - 5.0, "half width", 0, 0);
    const cb_stats_mean one = cb_stats_mean_of(values, 1, 0.95);
    assert_int_equal(one.n, 1);
    assert_true(one.mean == 2.0 && isnan(one.sd) && isnan(one.low) && isnan(one.high));
    const cb_stats_mean none = cb_stats_mean_of(values + 1, 1, 0.95);
    assert_int_equal(none.n, 0);
    assert_true(isnan(none.mean));
    assert_int_equal(cb_stats_mean_of(NULL, 0, 0.95).n, 0);
    /* Values that are all the same have an interval of no width. */
    const double same[] = {0.1, 0.1};
    assert_true(cb_stats_mean_of(same, 2, 0.95).low == 0.1);
}

/* ---- the other distributions ---- */

static void test_normal(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(normals); i++)
        assert_close(cb_stats_normal_cdf(normals[i].x), normals[i].p, "normal", normals[i].x, 0);
    for (size_t i = 0; i < COUNT(normal_quantiles); i++) {
        const double p = normal_quantiles[i].p, x = cb_stats_normal_quantile(p);
        assert_true(fabs(x - normal_quantiles[i].x) <= 1e-13 * fmax(1.0, fabs(x)));
    }
    assert_true(isnan(cb_stats_normal_quantile(0)) && isnan(cb_stats_normal_quantile(1)));
    assert_true(isnan(cb_stats_normal_quantile((double)NAN)));
}

static void test_gamma(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(gammas); i++) {
        const double a = gammas[i].a, x = gammas[i].x;
        assert_close(cb_stats_gamma_upper(a, x), gammas[i].upper, "gamma", a, x);
        assert_close(cb_stats_chi_square_upper(2 * x, 2 * a), gammas[i].upper, "chi-square", a, x);
    }
    assert_true(cb_stats_gamma_upper(2, 0) == 1.0);
    assert_true(cb_stats_gamma_upper(2, (double)INFINITY) == 0.0);
    assert_true(isnan(cb_stats_gamma_upper(0, 1)) && isnan(cb_stats_gamma_upper(1, -1)));
    for (size_t i = 0; i < COUNT(fs); i++)
        assert_close(cb_stats_f_upper(fs[i].x, fs[i].a, fs[i].b), fs[i].upper, "F", fs[i].x,
                     fs[i].a);
    assert_true(cb_stats_f_upper((double)INFINITY, 2, 3) == 0.0 &&
                cb_stats_f_upper(0, 2, 3) == 1.0);
}

static void test_noncentral(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(noncentrals); i++) {
        const double t = noncentrals[i].t, dof = noncentrals[i].dof, shift = noncentrals[i].shift;
        const double p = cb_stats_noncentral_t_cdf(t, dof, shift);
        if (!(fabs(p - noncentrals[i].p) < 1e-10))
            fail_msg("noncentral t(%g, %g, %g): expected %.17g, got %.17g", t, dof, shift,
                     noncentrals[i].p, p);
    }
    for (double t = -3.0; t <= 3.0; t += 1.5) /* without a shift it is Student's */
        assert_true(fabs(cb_stats_noncentral_t_cdf(t, 4, 0) - cb_stats_t_cdf(t, 4)) < 1e-11);
    assert_true(isnan(cb_stats_noncentral_t_cdf(1, 0.5, 1)));
    assert_true(isnan(cb_stats_noncentral_t_cdf(1, 5, 1e5)));
    assert_true(cb_stats_noncentral_t_cdf((double)INFINITY, 5, 1) == 1.0);
}

static void test_range(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const double p = cb_stats_range_upper(ranges[i].q, ranges[i].groups, ranges[i].dof);
        if (!(fabs(p - ranges[i].upper) < 1e-8))
            fail_msg("range(%g, %zu, %g): expected %.17g, got %.17g", ranges[i].q, ranges[i].groups,
                     ranges[i].dof, ranges[i].upper, p);
    }
    for (size_t i = 0; i < COUNT(range_quantiles); i++) {
        const double q = cb_stats_range_quantile(range_quantiles[i].p, range_quantiles[i].groups,
                                                 range_quantiles[i].dof);
        if (!(fabs(q / range_quantiles[i].q - 1.0) < 1e-6))
            fail_msg("range quantile %zu: expected %.17g, got %.17g", i, range_quantiles[i].q, q);
    }
    /* Two groups: the range is sqrt(2) times a |t|. */
    assert_true(fabs(cb_stats_range_upper(3.0, 2, 7) - 2 * cb_stats_t_cdf(-3.0 / sqrt(2.0), 7)) <
                1e-9);
    for (double p = 1e-4; p < 1.0; p = p < 0.3 ? 10 * p : p + 0.3)
        assert_true(fabs(cb_stats_range_upper(cb_stats_range_quantile(p, 3, 4), 3, 4) / p - 1.0) <
                    1e-5);
    assert_true(isnan(cb_stats_range_upper(1, 1, 5)) && isnan(cb_stats_range_upper(-1, 2, 5)));
    assert_true(isnan(cb_stats_range_quantile(0, 3, 5)));
    assert_true(cb_stats_range_upper(0, 3, 5) == 1.0);
}

static void test_power(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(powers); i++) {
        const double p = cb_stats_power_paired(-powers[i].difference, powers[i].sd, powers[i].n,
                                               powers[i].alpha);
        assert_true(fabs(p - powers[i].paired) < 1e-9);
    }
    for (size_t i = 0; i < COUNT(seeds); i++) {
        const double d = seeds[i].difference, sd = seeds[i].sd;
        assert_int_equal(cb_stats_seeds_paired(d, sd, 0.05, 0.8), seeds[i].paired);
        assert_int_equal(cb_stats_seeds_welch(d, sd, sd, 0.05, 0.8), seeds[i].welch);
    }
    assert_true(cb_stats_seeds_welch(1, 1, 3, 0.05, 0.8) >
                cb_stats_seeds_welch(1, 2, 2, 0.05, 0.8));
    assert_int_equal(cb_stats_seeds_paired(0, 1, 0.05, 0.8), 0);
    assert_int_equal(cb_stats_seeds_paired(1e-6, 1, 0.05, 0.8), 0);
    assert_int_equal(cb_stats_seeds_paired(1, 0, 0.05, 0.8), 0);
    assert_int_equal(cb_stats_seeds_paired(1, 1, 0.05, 0.01), 0);
    assert_int_equal(cb_stats_seeds_paired(100, 1, 0.05, 0.8), 2);
    assert_true(cb_stats_power_paired(1e9, 1, 5, 0.05) == 1.0);
    assert_true(cb_stats_power_paired(1, 1, 1, 0.05) == 0.0);
    assert_true(isnan(cb_stats_power_welch(1, 0, 0, 5, 0.05)));
    assert_true(fabs(cb_stats_power_welch(0, 1, 1, 5, 0.05) - 0.05) < 1e-9);
}

/* ---- quantiles ---- */

static void test_quantiles(void **state) {
    (void)state;
    enum { N = COUNT(quantile_values) };
    const double inf = (double)INFINITY;
    double values[N + 2];
    for (size_t i = 0; i < N; i++)
        values[i] = quantile_values[i];
    values[N] = values[N + 1] = (double)NAN;
    assert_int_equal(cb_stats_sort(values, N + 2), N);
    for (size_t i = 0; i < COUNT(quantile_p); i++)
        assert_true(fabs(cb_stats_quantile(values, N, quantile_p[i]) - quantile_figures[i]) <
                    1e-14);
    assert_true(fabs(cb_stats_mad(values, N) - mad_figures[0]) < 1e-14);
    for (size_t i = 0; i + 1 < N; i++)
        values[i] = quantile_values[i];
    assert_int_equal(cb_stats_sort(values, N - 1), N - 1);
    assert_true(fabs(cb_stats_mad(values, N - 1) - mad_figures[1]) < 1e-14);
    assert_true(isnan(cb_stats_median(values, 0)) && isnan(cb_stats_mad(values, 0)));
    assert_true(isnan(cb_stats_quantile(values, N, -0.1)));
    assert_true(isnan(cb_stats_quantile(values, N, (double)NAN)));
    assert_true(cb_stats_median(values, 1) == values[0] && cb_stats_mad(values, 1) == 0.0);
    const double ends[] = {-inf, 1.0, 2.0, inf}, most[] = {-1.7e308, 1.7e308};
    assert_true(cb_stats_median(ends, 4) == 1.5 && cb_stats_quantile(ends, 4, 0.9) == inf);
    assert_true(cb_stats_quantile(ends, 4, 0.1) == -inf && cb_stats_mad(ends, 4) == inf);
    assert_true(cb_stats_median(most, 2) == 0.0);
    assert_true(isnan(cb_stats_mad(ends + 3, 1)));
}

static void test_geometric_mean(void **state) {
    (void)state;
    const double values[] = {2, (double)NAN, 8, (double)INFINITY}, signs[] = {1, 0, -1};
    assert_close(cb_stats_geometric_mean(values, 4), 4.0, "geometric mean", 0, 0);
    assert_true(cb_stats_geometric_mean(signs, 2) == 0.0);
    assert_true(isnan(cb_stats_geometric_mean(signs, 3)));
    assert_true(isnan(cb_stats_geometric_mean(values, 0)));
    const double large[] = {1e308, 1e308, 1e308};
    assert_close(cb_stats_geometric_mean(large, 3), 1e308, "geometric mean", 0, 0);
    assert_close(cb_stats_mean_of(large, 3, 0.95).mean, 1e308, "mean", 0, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beta),      cmocka_unit_test(test_t),
        cmocka_unit_test(test_mean),      cmocka_unit_test(test_normal),
        cmocka_unit_test(test_gamma),     cmocka_unit_test(test_noncentral),
        cmocka_unit_test(test_range),     cmocka_unit_test(test_power),
        cmocka_unit_test(test_quantiles), cmocka_unit_test(test_geometric_mean),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
