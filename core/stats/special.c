/* SPDX-License-Identifier: MIT */
/*
 * The incomplete beta function by its continued fraction (modified Lentz, DLMF 8.17.22), on the
 * side where it converges fast; the incomplete gamma function by its series below the mean and by
 * its continued fraction above.
 */
#include "stats/special.h"

#include <float.h>
#include <math.h>

#include "cellbench/stats_distribution.h"

enum { FRACTION_MOST = 20000 };

static const double pi = 3.14159265358979323846;

double cbi_log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

static double away_from_zero(double x) {
    return fabs(x) < DBL_MIN ? DBL_MIN : x;
}

/* Converges in about sqrt(max(a, b)) steps for x < (a + 1)/(a + b + 2). */
static double beta_fraction(double a, double b, double x) {
    double c = 1.0, d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)), value = d;
    for (int m = 1; m <= FRACTION_MOST; m++) {
        const double k = m, twice = a + 2.0 * k;
        const double terms[2] = {k * (b - k) * x / ((twice - 1.0) * twice),
                                 -(a + k) * (a + b + k) * x / (twice * (twice + 1.0))};
        double factor = 1.0;
        for (int i = 0; i < 2; i++) {
            d = 1.0 / away_from_zero(1.0 + terms[i] * d);
            c = away_from_zero(1.0 + terms[i] / c);
            factor = c * d;
            value *= factor;
        }
        if (fabs(factor - 1.0) < 4.0 * DBL_EPSILON)
            break;
    }
    return value;
}

double cbi_beta(double a, double b, double x, double y) {
    if (x <= 0.0 || y <= 0.0)
        return x <= 0.0 ? 0.0 : 1.0;
    const double front =
        exp(cbi_log_gamma(a + b) - cbi_log_gamma(a) - cbi_log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1.0) / (a + b + 2.0))
        return front * beta_fraction(a, b, x) / a;
    return 1.0 - front * beta_fraction(b, a, y) / b;
}

double cb_stats_beta(double a, double b, double x) {
    if (!(a > 0.0) || !(b > 0.0) || !(x >= 0.0) || !(x <= 1.0))
        return (double)NAN;
    return cbi_beta(a, b, x, 1.0 - x);
}

static double gamma_series(double a, double x) {
    double term = 1.0 / a, sum = term;
    for (int i = 1; i <= FRACTION_MOST && term > sum * DBL_EPSILON; i++)
        sum += term *= x / (a + i);
    return sum;
}

/* DLMF 8.9.2 in its even form: x + 1 - a - 1(1 - a)/(x + 3 - a - 2(2 - a)/(...)). */
static double gamma_fraction(double a, double x) {
    double b = x + 1.0 - a, c = 1.0 / DBL_MIN, d = 1.0 / away_from_zero(b), value = d;
    for (int i = 1; i <= FRACTION_MOST; i++) {
        const double term = -(double)i * (i - a);
        b += 2.0;
        d = 1.0 / away_from_zero(term * d + b);
        c = away_from_zero(b + term / c);
        value *= c * d;
        if (fabs(c * d - 1.0) < 4.0 * DBL_EPSILON)
            break;
    }
    return value;
}

double cb_stats_gamma_upper(double a, double x) {
    if (!(a > 0.0) || !(x >= 0.0) || isinf(a))
        return (double)NAN;
    if (x <= 0.0 || isinf(x))
        return x <= 0.0 ? 1.0 : 0.0;
    const double front = exp(a * log(x) - x - cbi_log_gamma(a));
    return x < a + 1.0 ? 1.0 - front * gamma_series(a, x) : front * gamma_fraction(a, x);
}

double cbi_normal_density(double x) {
    return exp(-0.5 * x * x) / sqrt(2.0 * pi);
}

/* f(s) = 2 a^a/Gamma(a) s^(2a - 1) exp(-a s^2) with a = dof/2. For large a the powers cancel nearly
 * all of their digits; there Gamma is taken apart by Stirling's series, whose next term is below
 * 1e-3 a^-5. */
double cbi_chi_density(double s, double dof) {
    const double a = 0.5 * dof;
    if (s <= 0.0)
        return 0.0;
    if (a < 100.0)
        return 2.0 * exp(a * log(a) - cbi_log_gamma(a) + (dof - 1.0) * log(s) - a * s * s);
    const double d = s - 1.0;
    const double rest = 1.0 / (12.0 * a) - 1.0 / (360.0 * a * a * a);
    return sqrt(2.0 * a / pi) / s * exp(a * (2.0 * (log1p(d) - d) - d * d) - rest);
}

void cbi_chi_range(double dof, double *low, double *high) {
    const double width = 12.0 / sqrt(2.0 * dof);
    *low = fmax(0.0, 1.0 - width);
    *high = 1.0 + width;
}

/* ---- integration ---- */

/* Nodes and weights of Kronrod's rule, and of Gauss's on its odd nodes (Piessens et al. 1983). */
static const double nodes[8] = {
    0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
    0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
    0.586087235467691130294144691693013, 0.405845151377397166906606412076961,
    0.207784955007898467600689403773245, 0.0};
static const double kronrod[8] = {
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
    0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
    0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714};
static const double gauss[4] = {
    0.129484966168869693270611432679082, 0.279705391489276667901467771423780,
    0.381830050505118944950369775488975, 0.417959183673469387755102040816327};

static double rule(cbi_integrand *f, const void *context, double low, double high, double *error) {
    const double middle = 0.5 * (low + high), half = 0.5 * (high - low);
    const double centre = f(middle, context);
    double sum = kronrod[7] * centre, coarse = gauss[3] * centre;
    for (int i = 0; i < 7; i++) {
        const double both =
            f(middle - half * nodes[i], context) + f(middle + half * nodes[i], context);
        sum += kronrod[i] * both;
        if (i % 2 == 1)
            coarse += gauss[i / 2] * both;
    }
    *error = fabs(sum - coarse) * half;
    return sum * half;
}

static double halves(cbi_integrand *f, const void *context, double low, double high,
                     double tolerance, int depth) {
    double error;
    const double value = rule(f, context, low, high, &error);
    if (!(error > tolerance) || depth == 0)
        return value;
    const double middle = 0.5 * (low + high);
    return halves(f, context, low, middle, 0.5 * tolerance, depth - 1) +
           halves(f, context, middle, high, 0.5 * tolerance, depth - 1);
}

double cbi_integrate(cbi_integrand *f, const void *context, double low, double high,
                     double tolerance) {
    return low < high ? halves(f, context, low, high, tolerance, 30) : 0.0;
}
