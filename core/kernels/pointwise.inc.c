/* SPDX-License-Identifier: MIT */
/*
 * Pointwise operations, one loop each; compiled once for each instruction set, after its vec_*.h.
 * Elements do not depend on each other nor on n: strips are whole multiples of 16 lanes, so there
 * is no tail with an arithmetic of its own.
 *
 * The elementary functions are polynomials on a reduced argument (coefficients: Cephes by S.
 * Moshier for exp and log; FreeBSD's sinf for sine and cosine). Largest errors in units in the last
 * place, over all floats (tests/numeric/test_pointwise.c holds them against f64): exp 1.1, log 1,
 * sigmoid 3, tanh 3.5, softplus and logsigmoid 2, sin and cos 0.51; add to select round correctly.
 * Infinities, NaN, zeros of either sign and results below the normal range are as in C's functions.
 */
#include <math.h>

/* exp(x) = 2^n * (1 + m): *shifted is n + V_SHIFT, the result m in [-0.3, 0.42], with small
 * relative error; ln 2 is split so that n times its first part is exact. |x| < 2^20. */
static inline vf exp_reduced(vf x, vf *shifted) {
    *shifted = v_fma(x, v_set(1.44269504F), v_set(V_SHIFT));
    const vf n = *shifted - v_set(V_SHIFT);
    const vf r = v_fnma(n, v_set(-2.12194440e-4F), v_fnma(n, v_set(0.693359375F), x));
    vf p = v_fma(r, v_set(1.9875691500e-4F), v_set(1.3981999507e-3F));
    p = v_fma(p, r, v_set(8.3334519073e-3F));
    p = v_fma(p, r, v_set(4.1665795894e-2F));
    p = v_fma(p, r, v_set(1.6666665459e-1F));
    p = v_fma(p, r, v_set(5.0000001201e-1F));
    return v_fma(p, r * r, r);
}

/* 2^n of a normal result; the low bits of V_SHIFT are zero, so those of `shifted` are n's. */
static inline vf power_of_two(vf shifted) {
    return (vf)(((vu)shifted << 23) + (127U << 23));
}

static inline vf sign_bits(vf x) {
    return (vf)((vi)x & (vi)v_set(-0.0F));
}

static inline vf v_abs(vf x) {
    return (vf)((vi)x & ~(vi)v_set(-0.0F));
}

/* exp(x) for x <= 89. At -104 the result is already rounded to 0. */
static inline vf v_exp_below(vf x) {
    vf shifted;
    const vf m = exp_reduced(v_max(v_set(-104), x), &shifted);
    return v_ldexp(v_set(1) + m, shifted);
}

static inline vf v_exp(vf x) {
    return v_exp_below(v_min(v_set(89), x));
}

/* With e = exp(-|x|): 1/(1 + e), or e/(1 + e) on the left, so that neither side overflows or
 * cancels. */
static inline vf v_sigmoid(vf x) {
    const vf e = v_exp_below(-v_abs(x));
    return v_quotient(v_sel_lt(x, v_set(0), e, v_set(1)), v_set(1) + e);
}

/* With t = exp(-2|x|) - 1: tanh|x| = -t/(2 + t). t comes from the reduced argument without
 * cancellation (2^n*m + (2^n - 1), where n = 0 near zero), so small results keep their relative
 * accuracy. */
static inline vf v_tanh(vf x) {
    vf shifted;
    const vf m = exp_reduced(v_max(v_set(-40), v_set(-2) * v_abs(x)), &shifted);
    const vf scale = power_of_two(shifted);
    const vf t = v_fma(scale, m, scale - v_set(1));
    return (vf)((vi)v_abs(v_quotient(t, v_set(2) + t)) | (vi)sign_bits(x));
}

/* log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1]. */
static inline vf log1p_reduced(vf f) {
    vf p = v_fma(f, v_set(7.0376836292e-2F), v_set(-1.1514610310e-1F));
    p = v_fma(p, f, v_set(1.1676998740e-1F));
    p = v_fma(p, f, v_set(-1.2420140846e-1F));
    p = v_fma(p, f, v_set(1.4249322787e-1F));
    p = v_fma(p, f, v_set(-1.6668057665e-1F));
    p = v_fma(p, f, v_set(2.0000714765e-1F));
    p = v_fma(p, f, v_set(-2.4999993993e-1F));
    p = v_fma(p, f, v_set(3.3333331174e-1F));
    const vf square = f * f;
    return f + v_fma(square * f, p, v_set(-0.5F) * square);
}

/* log(1 + e) for e in [0, 1]: above sqrt(2) - 1 as log 2 + log(1 + (e - 1)/2). */
static inline vf log1p_unit(vf e) {
    const vf border = v_set(0.41421356F);
    const vf f = v_sel_lt(border, e, v_fma(e, v_set(0.5F), v_set(-0.5F)), e);
    return log1p_reduced(f) + v_sel_lt(border, e, v_set(0.693147181F), v_set(0));
}

static inline vf v_softplus(vf x) {
    return v_max(v_set(0), x) + log1p_unit(v_exp_below(-v_abs(x)));
}

static inline vf v_logsigmoid(vf x) {
    return -v_softplus(-x);
}

/* x = 2^n * (1 + f). Below the normal range x is scaled up first. */
static inline vf v_log(vf x) {
    const vf least = v_set(0x1p-126F);
    const vf scaled = v_sel_lt(x, least, x * v_set(0x1p23F), x);
    const vu above = (vu)scaled - (vu)v_set(0.707106781F);
    const vi exponent = (vi)above >> 23;
    const vf f = (vf)((vu)scaled - ((vu)exponent << 23)) - v_set(1);
    const vf n = __builtin_convertvector(exponent, vf) + v_sel_lt(x, least, v_set(-23), v_set(0));
    const vf low = v_fma(n, v_set(-2.12194440e-4F), log1p_reduced(f) - f);
    const vf y = v_fma(n, v_set(0.693359375F), low + f);
    const vf edge = v_sel_eq(x, v_set(0), v_set(-INFINITY), v_set(NAN)); /* for x <= 0 */
    return v_sel_le(x, v_set(0), edge, v_sel_lt(x, v_set(INFINITY), y, x));
}

/*
 * Sine and cosine in f64: x - k*pi/2 with pi/2 in two parts, the first of 33 bits, so that its
 * product with k is exact below the limit. `quarter` is 0 for the sine, 1 for the cosine.
 */
#define SINE_LIMIT 0x1p20

static inline double sine_reduced(double x, int64_t quarter) {
    const double shift = 0x1.8p52;
    const double shifted = x * 6.36619772367581382433e-01 + shift;
    const double k = shifted - shift;
    int64_t turn;
    memcpy(&turn, &shifted, sizeof turn);
    turn += quarter;
    const double r = (x - k * 1.57079632673412561417e+00) - k * 6.07710050650619224932e-11;
    const double z = r * r;
    const double sine =
        r * (1 + z * (-0.166666666416265235595 +
                      z * (0.0083333293858894631756 +
                           z * (-0.000198393348360966317347 + z * 0.0000027183114939898219064))));
    const double cosine =
        1 + z * (-0.499999997251031003120 +
                 z * (0.0416666233237390631894 +
                      z * (-0.00138867637746099294692 + z * 0.0000243904487962774090654)));
    const double y = (turn & 1) ? cosine : sine;
    return (turn & 2) ? -y : y;
}

/* Arguments beyond the limit, infinities and NaN are left to the C library, in f64. */
static void sine(float *d, const float *a, int64_t quarter, size_t n) {
    for (size_t i = 0; i < n; i += CBI_LANES) {
        double x[CBI_LANES];
        int beyond = 0;
        for (int j = 0; j < CBI_LANES; j++) {
            x[j] = (double)a[i + (size_t)j];
            beyond |= !(fabs(x[j]) < SINE_LIMIT);
        }
        for (int j = 0; j < CBI_LANES; j++)
            d[i + (size_t)j] = (float)sine_reduced(x[j], quarter);
        for (int j = 0; beyond && j < CBI_LANES; j++)
            if (!(fabs(x[j]) < SINE_LIMIT))
                d[i + (size_t)j] = (float)(quarter ? cos(x[j]) : sin(x[j]));
    }
}

/* clang-format off */
#define LOOP(name, load_b, load_c, expression)                                                     \
    static void run_##name(float *d, const float *pa, const float *pb, const float *pc,            \
                           size_t n) {                                                             \
        (void)pb, (void)pc;                                                                        \
        for (size_t i = 0; i < n; i += V_LANES) {                                                  \
            const vf a = v_load(pa + i);                                                           \
            load_b load_c v_store(d + i, (expression));                                            \
        }                                                                                          \
    }
#define LOAD_B const vf b = v_load(pb + i);
#define LOAD_C const vf c = v_load(pc + i);
#define UNARY(name, expression) LOOP(name, , , expression)
#define BINARY(name, expression) LOOP(name, LOAD_B, , expression)
#define TERNARY(name, expression) LOOP(name, LOAD_B, LOAD_C, expression)

BINARY(add, a + b)
BINARY(sub, a - b)
BINARY(mul, a * b)
BINARY(div, a / b)
UNARY(neg, -a)
UNARY(sigmoid, v_sigmoid(a))
UNARY(tanh, v_tanh(a))
UNARY(relu, v_max(a, v_set(0)))
UNARY(exp, v_exp(a))
UNARY(log, v_log(a))
UNARY(logsigmoid, v_logsigmoid(a))
UNARY(softplus, v_softplus(a))
UNARY(abs, v_abs(a))
UNARY(sign, v_sel_lt(v_set(0), a, v_set(1), v_sel_lt(a, v_set(0), v_set(-1), v_set(0))))
UNARY(sqrt, v_sqrt(a))
UNARY(square, a * a)
BINARY(max, v_sel_le(b, a, a, b))
BINARY(min, v_sel_le(a, b, a, b))
BINARY(greater, v_sel_lt(b, a, v_set(1), v_set(0)))
TERNARY(select, v_sel_eq(a, v_set(0), c, b))
TERNARY(fma, v_fma(a, b, c))
TERNARY(fnma, v_fnma(a, b, c))
UNARY(one_minus, v_set(1) - a)
BINARY(d_sigmoid, a * (b * (v_set(1) - b)))
BINARY(d_tanh, a * v_fnma(b, b, v_set(1)))
UNARY(copy, a)
UNARY(stop, a)

static void run_sin(float *d, const float *a, const float *b, const float *c, size_t n) {
    (void)b, (void)c;
    sine(d, a, 0, n);
}

static void run_cos(float *d, const float *a, const float *b, const float *c, size_t n) {
    (void)b, (void)c;
    sine(d, a, 1, n);
}

#define ROW(name) {#name, run_##name}
static const cbi_pointwise_row pointwise[] = {
    ROW(add), ROW(sub), ROW(mul), ROW(div), ROW(neg),
    ROW(sigmoid), ROW(tanh), ROW(relu), ROW(exp), ROW(log), ROW(logsigmoid), ROW(softplus),
    ROW(abs), ROW(sign), ROW(sqrt), ROW(square), ROW(max), ROW(min), ROW(sin), ROW(cos),
    ROW(greater), ROW(select), ROW(stop),
    ROW(fma), ROW(fnma), ROW(one_minus), ROW(d_sigmoid), ROW(d_tanh), ROW(copy),
    {NULL, NULL},
};
/* clang-format on */
