/* SPDX-License-Identifier: MIT */
/*
 * Logits stand in rows of ldk floats, so that a block of rows is one strip for the pointwise
 * kernels. Blocks stay in the first-level cache; they do not change any result, because every
 * operation on them is element by element and the sums over a row are taken row by row.
 */
#include "train/readout.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { BLOCK_FLOATS = 2048 };

typedef struct sizes {
    size_t z, scratch, last, work;
} sizes;

static cb_status size_arrays(sizes *out, const cbi_kernels *kernels, const cb_data *data, size_t H,
                             size_t frames, size_t sequences, cb_err *err) {
    const size_t K = data->target_dim, ldk = cbi_padded(K);
    const int at_last = data->when == CB_WHEN_LAST;
    *out = (sizes){0};
    if (K == 0 || ldk < K)
        return cb_fail(err, CB_ESHAPE, "readout: expected at least one target, got %zu", K);
    out->scratch = ldk > BLOCK_FLOATS ? ldk : BLOCK_FLOATS;
    out->work = cbi_gemm_work(kernels, K > H ? K : H);
    if (cb_size_mul(at_last ? sequences : frames, ldk, &out->z) != CB_OK ||
        (at_last && cb_size_mul(sequences, H, &out->last) != CB_OK))
        return cb_fail(err, CB_ESHAPE, "readout: too large: %zu frames, %zu targets", frames, K);
    return CB_OK;
}

cb_status cbi_readout_bytes(const cb_data *data, size_t H, size_t frames, size_t sequences,
                            size_t *bytes, cb_err *err) {
    sizes s;
    size_t floats;
    const cbi_kernels *kernels;
    cb_status st;
    *bytes = 0;
    if ((st = cbi_kernels_get(&kernels, err)) != CB_OK ||
        (st = size_arrays(&s, kernels, data, H, frames, sequences, err)) != CB_OK)
        return st;
    if (cb_size_add(s.z, s.scratch, &floats) != CB_OK ||
        cb_size_add(floats, s.last, &floats) != CB_OK ||
        cb_size_add(floats, s.work, &floats) != CB_OK ||
        cb_size_mul(floats, sizeof(float), bytes) != CB_OK)
        return cb_fail(err, CB_ESHAPE, "readout: too large: %zu frames", frames);
    return CB_OK;
}

cb_status cbi_readout_init(cbi_readout *readout, const cb_data *data, size_t H, size_t frames,
                           size_t sequences, cb_err *err) {
    cb_status st;
    sizes s;
    const cbi_kernels *kernels;
    *readout = (cbi_readout){.K = data->target_dim,
                             .H = H,
                             .loss = data->loss,
                             .when = data->when,
                             .ldk = cbi_padded(data->target_dim)};
    if ((st = cbi_kernels_get(&kernels, err)) != CB_OK ||
        (st = size_arrays(&s, kernels, data, H, frames, sequences, err)) != CB_OK)
        return st;
    readout->kernels = kernels;
    readout->block = s.scratch / readout->ldk;
    readout->exp = cbi_pointwise_find(kernels, "exp");
    readout->sigmoid = cbi_pointwise_find(kernels, "sigmoid");
    readout->softplus = cbi_pointwise_find(kernels, "softplus");
    if (!readout->exp || !readout->sigmoid || !readout->softplus)
        return cb_fail(err, CB_EINTERNAL, "readout: kernels '%s' lack exp, sigmoid or softplus",
                       kernels->name);
    readout->z = cbi_aligned_calloc(s.z + 1, sizeof(float));
    readout->scratch = cbi_aligned_calloc(s.scratch, sizeof(float));
    readout->last = cbi_aligned_calloc(s.last + 1, sizeof(float));
    readout->work = cbi_aligned_calloc(s.work, sizeof(float));
    if (!readout->z || !readout->scratch || !readout->last || !readout->work) {
        cbi_readout_fini(readout);
        return cb_fail(err, CB_ENOMEM, "readout: %zu frames, %zu targets", frames,
                       data->target_dim);
    }
    return CB_OK;
}

void cbi_readout_fini(cbi_readout *readout) {
    cbi_aligned_free(readout->z);
    cbi_aligned_free(readout->scratch);
    cbi_aligned_free(readout->last);
    cbi_aligned_free(readout->work);
    *readout = (cbi_readout){0};
}

/* Each loss works on a block of rows, z [rows][ldk] in, dz*scale out, from target row `row`. */
typedef struct block_job {
    const cbi_readout *readout;
    const cbi_batch *batch;
    float scale;
} block_job;

static void softmax_block(const block_job *job, float *z, size_t row, size_t rows,
                          cbi_loss_sum *sum) {
    const size_t K = job->readout->K, ldk = job->readout->ldk;
    float *chosen = job->readout->scratch; /* z[label] - top, before exp takes its place */
    for (size_t r = 0; r < rows; r++) {
        float *zr = z + r * ldk;
        const size_t label = (size_t)job->batch->label[row + r];
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            if (zr[k] > zr[best])
                best = k;
        const float top = zr[best];
        sum->wrong += best != label;
        for (size_t k = 0; k < ldk; k++)
            zr[k] -= top;
        chosen[r] = zr[label];
    }
    job->readout->exp(z, z, NULL, NULL, rows * ldk);
    for (size_t r = 0; r < rows; r++) {
        float *zr = z + r * ldk;
        double total = 0;
        for (size_t k = 0; k < K; k++)
            total += (double)zr[k];
        sum->loss += log(total) - (double)chosen[r];
        const float factor = (float)((double)job->scale / total);
        for (size_t k = 0; k < K; k++)
            zr[k] *= factor;
        zr[job->batch->label[row + r]] -= job->scale;
    }
}

static void bernoulli_block(const block_job *job, float *z, size_t row, size_t rows,
                            cbi_loss_sum *sum) {
    const cbi_readout *o = job->readout;
    const size_t K = o->K, ldk = o->ldk;
    const float *target = job->batch->target + row * K;
    o->softplus(o->scratch, z, NULL, NULL, rows * ldk);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < K; k++)
            sum->loss += (double)o->scratch[r * ldk + k] -
                         (double)target[r * K + k] * (double)z[r * ldk + k];
    if (job->scale == 0)
        return;
    o->sigmoid(z, z, NULL, NULL, rows * ldk);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < K; k++)
            z[r * ldk + k] = job->scale * (z[r * ldk + k] - target[r * K + k]);
}

static void squared_block(const block_job *job, float *z, size_t row, size_t rows,
                          cbi_loss_sum *sum) {
    const size_t K = job->readout->K, ldk = job->readout->ldk;
    const float *target = job->batch->target + row * K;
    const float factor = (float)(2 * (double)job->scale / (double)K);
    for (size_t r = 0; r < rows; r++) {
        double total = 0;
        for (size_t k = 0; k < K; k++) {
            const float d = z[r * ldk + k] - target[r * K + k];
            total += (double)d * (double)d;
            z[r * ldk + k] = factor * d;
        }
        sum->loss += total / (double)K;
    }
}

static void (*const loss_blocks[])(const block_job *, float *, size_t, size_t, cbi_loss_sum *) = {
    [CB_LOSS_SOFTMAX] = softmax_block,
    [CB_LOSS_BERNOULLI] = bernoulli_block,
    [CB_LOSS_SQUARED] = squared_block,
};

/* The rows of y that are read out: all of them, or each sequence's last one, gathered. */
static void rows_read(const cbi_readout *o, const cb_rows *y, const cbi_batch *batch,
                      const float **data, size_t *ld) {
    *data = y->data;
    *ld = y->ld;
    if (o->when == CB_WHEN_EACH)
        return;
    for (size_t r = 0; r < batch->targets; r++)
        memcpy(o->last + r * o->H, y->data + batch->last[r] * y->ld, o->H * sizeof(float));
    *data = o->last;
    *ld = o->H;
}

cbi_loss_sum cbi_readout_loss(cbi_readout *readout, const float *w, const cb_rows *y,
                              const cbi_batch *batch, double scale) {
    const size_t K = readout->K, H = readout->H, ldk = readout->ldk, n = batch->targets;
    const float *from, *a = w + K * H;
    size_t ld;
    cbi_loss_sum sum = {0};
    if (n == 0)
        return sum;
    rows_read(readout, y, batch, &from, &ld);
    for (size_t r = 0; r < n; r++) {
        memcpy(readout->z + r * ldk, a, K * sizeof(float));
        memset(readout->z + r * ldk + K, 0, (ldk - K) * sizeof(float));
    }
    cbi_gemm_with(readout->kernels, n, K, H, from, ld, 1, w, 1, H, 1, readout->z, ldk,
                  readout->work);
    const block_job job = {readout, batch, (float)scale};
    for (size_t row = 0; row < n; row += readout->block) {
        const size_t rows = n - row < readout->block ? n - row : readout->block;
        loss_blocks[readout->loss](&job, readout->z + row * ldk, row, rows, &sum);
    }
    return sum;
}

void cbi_readout_backward(cbi_readout *readout, const float *w, const cb_rows *y,
                          const cbi_batch *batch, float *gradient, const cb_rows *dy) {
    const size_t K = readout->K, H = readout->H, ldk = readout->ldk, n = batch->targets;
    const float *from, *dz = readout->z;
    float *da = gradient + K * H;
    size_t ld;
    memset(gradient, 0, (K * H + K) * sizeof(float));
    if (n == 0)
        return;
    rows_read(readout, y, batch, &from, &ld);
    cbi_gemm_with(readout->kernels, K, H, n, dz, 1, ldk, from, ld, 1, 0, gradient, H,
                  readout->work);
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < K; k++)
            da[k] += dz[r * ldk + k];
    if (readout->when == CB_WHEN_EACH) {
        cbi_gemm_with(readout->kernels, n, H, K, dz, ldk, 1, w, H, 1, 0, dy->data, dy->ld,
                      readout->work);
        return;
    }
    cbi_gemm_with(readout->kernels, n, H, K, dz, ldk, 1, w, H, 1, 0, readout->last, H,
                  readout->work);
    for (size_t f = 0; f < batch->steps.frames; f++)
        memset(dy->data + f * dy->ld, 0, H * sizeof(float));
    for (size_t r = 0; r < n; r++)
        memcpy(dy->data + batch->last[r] * dy->ld, readout->last + r * H, H * sizeof(float));
}
