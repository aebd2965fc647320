/* SPDX-License-Identifier: MIT */
/*
 * Functions that the distributions share. Arguments are not checked here.
 */
#ifndef CB_STATS_SPECIAL_H
#define CB_STATS_SPECIAL_H

/* lgamma() without its global variable; x > 0. */
double cbi_log_gamma(double x);

/* I_x(a, b), with y = 1 - x given too, so that neither tail loses digits. */
double cbi_beta(double a, double b, double x, double y);

/* The standard normal density. */
double cbi_normal_density(double x);

/* The density at s > 0 of sqrt(V/dof), V chi-square with dof degrees of freedom: of an estimate of
 * a deviation that is 1. */
double cbi_chi_density(double s, double dof);

/* An interval of s outside of which that density holds less than 1e-16. */
void cbi_chi_range(double dof, double *low, double *high);

/*
 * The integral of a smooth function, by Gauss-Kronrod (7, 15) on halves of halves, until the two
 * rules agree to the absolute tolerance, or 30 halvings.
 */
typedef double cbi_integrand(double x, const void *context);
double cbi_integrate(cbi_integrand *f, const void *context, double low, double high,
                     double tolerance);

#endif
