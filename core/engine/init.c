/* SPDX-License-Identifier: MIT */
/*
 * Initial weights. A law is drawn for the whole effective matrix and its learned numbers are taken
 * from there, so that a structure changes which numbers are used and not their distribution.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/random.h"
#include "engine/stack_internal.h"

void cbi_structure_map(const cb_param *p, int32_t *map) {
    size_t rows = p->rows, cols = p->cols, n = p->blocks ? p->blocks : 1;
    size_t br = rows / n, bc = cols / n;
    int32_t k = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++) {
            size_t bi = i / br, bj = j / bc;
            int free = 1;
            switch (p->structure) {
            case CB_STRUCTURE_DIAGONAL:
                free = i == j;
                break;
            case CB_STRUCTURE_BLOCKDIAG:
                free = bi == bj;
                break;
            case CB_STRUCTURE_UPPER:
                free = bi <= bj;
                break;
            case CB_STRUCTURE_LOWER:
                free = bi >= bj;
                break;
            case CB_STRUCTURE_ANTISYMMETRIC:
                free = i < j;
                break;
            default:
                break;
            }
            map[i * cols + j] = free ? ++k : 0;
        }
    if (p->structure == CB_STRUCTURE_ANTISYMMETRIC)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < i; j++)
                map[i * cols + j] = -map[j * cols + i];
}

size_t cbi_structure_run_count(const cb_param *p) {
    if (p->structure == CB_STRUCTURE_ANTISYMMETRIC) /* rows but the last, and what is below */
        return p->rows - 1 + p->rows * (p->rows - 1) / 2;
    return p->rows;
}

void cbi_structure_runs(const cb_param *p, const int32_t *map, cbi_run *runs) {
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols;) {
            const int32_t *at = map + i * p->cols + j;
            const uint32_t row = (uint32_t)i, column = (uint32_t)j;
            int32_t n = 1;
            if (*at > 0) {
                while (j + (size_t)n < p->cols && at[n] > 0)
                    n++;
                *runs++ = (cbi_run){row, column, (uint32_t)*at - 1, n};
            } else if (*at < 0) {
                *runs++ = (cbi_run){row, column, (uint32_t) - *at - 1, -1};
            }
            j += (size_t)n;
        }
}

/* Rows of m [n][k], n <= k, made orthonormal: Gram-Schmidt, twice for accuracy. The signs are those
 * of a QR decomposition with a positive diagonal: Haar-distributed. */
static void orthonormalise(double *m, size_t n, size_t k) {
    for (size_t i = 0; i < n; i++) {
        double *row = m + i * k;
        for (int twice = 0; twice < 2; twice++)
            for (size_t j = 0; j < i; j++) {
                double dot = 0;
                for (size_t c = 0; c < k; c++)
                    dot += row[c] * m[j * k + c];
                for (size_t c = 0; c < k; c++)
                    row[c] -= dot * m[j * k + c];
            }
        double norm = 0;
        for (size_t c = 0; c < k; c++)
            norm += row[c] * row[c];
        norm = sqrt(norm);
        for (size_t c = 0; c < k; c++)
            row[c] /= norm;
    }
}

static cb_status draw_orthogonal(cb_random *random, const cb_param *p, double gain, double *dense,
                                 cb_err *err) {
    size_t n = p->rows < p->cols ? p->rows : p->cols, k = p->rows < p->cols ? p->cols : p->rows;
    double *m = cbi_calloc(n * k, sizeof *m);
    if (m == NULL)
        return cb_fail(err, CB_ENOMEM, "init: out of memory");
    for (size_t i = 0; i < n * k; i++)
        m[i] = cb_random_normal(random);
    orthonormalise(m, n, k);
    for (size_t i = 0; i < p->rows; i++)
        for (size_t j = 0; j < p->cols; j++)
            dense[i * p->cols + j] = gain * (p->rows < p->cols ? m[i * k + j] : m[j * k + i]);
    cbi_free(m);
    return CB_OK;
}

static double glorot_limit(const cb_param *p) {
    double used = (double)p->free_count;
    if (p->structure == CB_STRUCTURE_ANTISYMMETRIC)
        used *= 2;
    return sqrt(6 / (used / (double)p->rows + used / (double)p->cols));
}

/* dense [rows * cols], or [rows] for a vector. */
static cb_status draw(cb_random *random, const cb_param *p, cb_init init, double *dense,
                      cb_err *err) {
    size_t n = p->rows * (p->cols ? p->cols : 1);
    double limit = init.law == CB_LAW_GLOROT ? glorot_limit(p) : init.a;
    switch (init.law) {
    case CB_LAW_ORTHOGONAL:
        return draw_orthogonal(random, p, init.a, dense, err);
    case CB_LAW_UNIFORM:
    case CB_LAW_GLOROT:
        for (size_t i = 0; i < n; i++)
            dense[i] = limit * (2 * cb_random_uniform(random) - 1);
        return CB_OK;
    case CB_LAW_RANGE:
        for (size_t i = 0; i < n; i++)
            dense[i] = init.a + (init.b - init.a) * cb_random_uniform(random);
        return CB_OK;
    case CB_LAW_NORMAL:
        for (size_t i = 0; i < n; i++)
            dense[i] = init.a * cb_random_normal(random);
        return CB_OK;
    default:
        for (size_t i = 0; i < n; i++)
            dense[i] = init.law == CB_LAW_CONSTANT ? init.a : 0;
        for (size_t i = 0; init.law == CB_LAW_IDENTITY && i < p->rows && i < p->cols; i++)
            dense[i * p->cols + i] = init.a;
        return CB_OK;
    }
}

/* How particular an override is to a tensor: 0 not at all, 1 family, 2 name, 3 layer and name. */
static int rank(const cb_stack_param *p, const char *name) {
    if (strcmp(p->name, name) == 0)
        return 3;
    if (strcmp(p->param->name, name) == 0)
        return 2;
    return strcmp(p->param->family, name) == 0;
}

static cb_status check_overrides(const cb_stack *s, const cb_init_override *overrides, size_t n,
                                 cb_err *err) {
    for (size_t i = 0; i < n; i++) {
        int used = 0;
        cbi_near near;
        cbi_near_init(&near, overrides[i].name);
        for (size_t k = 0; k < s->param_count; k++) {
            const cb_param *p = s->params[k].param;
            int hit = rank(&s->params[k], overrides[i].name) > 0;
            used |= hit;
            cbi_near_offer(&near, p->name);
            cbi_near_offer(&near, p->family);
            int needs_matrix = overrides[i].init.law == CB_LAW_GLOROT ||
                               overrides[i].init.law == CB_LAW_ORTHOGONAL ||
                               overrides[i].init.law == CB_LAW_IDENTITY;
            if (hit && needs_matrix && p->cols == 0)
                return cb_fail(err, CB_EARG, "init: '%s' is a vector, its law is for matrices",
                               p->name);
        }
        if (!used)
            return cb_fail(err, CB_EARG, "init: no parameter is called '%.60s'%s",
                           overrides[i].name, cbi_near_text(&near));
    }
    return CB_OK;
}

static cb_status init_tensor(const cb_stack_param *sp, uint64_t seed, cb_init init, double *w,
                             cb_err *err) {
    const cb_param *p = sp->param;
    char purpose[128];
    snprintf(purpose, sizeof purpose, "init/%s", sp->name);
    cb_random random = cb_random_stream(seed, purpose, 0);
    if (p->cols == 0 || p->structure == CB_STRUCTURE_FULL)
        return draw(&random, p, init, w, err);
    size_t n = p->rows * p->cols;
    double *dense = cbi_calloc(n, sizeof *dense);
    int32_t *map = cbi_calloc(n, sizeof *map);
    cb_status st = dense && map ? draw(&random, p, init, dense, err)
                                : cb_fail(err, CB_ENOMEM, "init: out of memory");
    if (st == CB_OK) {
        cbi_structure_map(p, map);
        for (size_t i = 0; i < n; i++)
            if (map[i] > 0)
                w[map[i] - 1] = dense[i];
    }
    cbi_free(dense);
    cbi_free(map);
    return st;
}

cb_status cb_stack_init(const cb_stack *s, uint64_t seed, const cb_init_override *overrides,
                        size_t n, double *w, cb_err *err) {
    cb_status st = check_overrides(s, overrides, n, err);
    for (size_t k = 0; st == CB_OK && k < s->param_count; k++) {
        const cb_stack_param *sp = &s->params[k];
        cb_init init = sp->param->init;
        int best = 0;
        for (size_t i = 0; i < n; i++)
            if (rank(sp, overrides[i].name) > 0 && rank(sp, overrides[i].name) >= best) {
                best = rank(sp, overrides[i].name);
                init = overrides[i].init;
            }
        st = init_tensor(sp, seed, init, w + sp->offset, err);
    }
    return st;
}
