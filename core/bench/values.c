/* SPDX-License-Identifier: MIT */
/* What one training step reads and makes, for others to be held against. */
#include "cellbench/bench.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "bench/subject.h"
#include "train/safetensors.h"

enum { NAME_SIZE = 128 };

typedef struct names {
    char weight[NAME_SIZE], gradient[NAME_SIZE];
} names;

static cbi_tensor matrix(const char *name, size_t rows, size_t cols, const float *data) {
    return (cbi_tensor){
        .name = name, .dtype = CBI_F32, .rank = 2, .shape = {rows, cols}, .data = data};
}

/* A tensor of the stack in its own shape; with a structure, its free numbers. */
static cbi_tensor parameter(const char *name, const cb_stack_param *p, const float *data) {
    const int whole = p->param->cols > 0 && p->param->structure == CB_STRUCTURE_FULL;
    cbi_tensor tensor = matrix(name, p->param->rows, p->param->cols, data + p->offset);
    if (!whole) {
        tensor.rank = 1;
        tensor.shape[0] = p->param->free_count;
    }
    return tensor;
}

static cb_status write(const cbi_subject *s, const float *y, names *name, cbi_tensor *tensors,
                       const char *path, cb_err *err) {
    size_t params, n = 0;
    const cb_stack_param *param = cb_stack_params(s->stack, &params);
    const size_t frames = s->steps.frames, out = cb_stack_output_dim(s->stack);
    const cb_cell *top = cb_stack_cell(s->stack, cb_stack_layer_count(s->stack) - 1);
    if (s->ldx > 0) {
        tensors[n++] = matrix("x", frames, s->ldx, s->x);
        tensors[n++] = matrix("dx", frames, s->ldx, s->dx);
    }
    tensors[n++] = matrix("dy", frames, out, s->dy);
    tensors[n++] = matrix("y", frames, out, y);
    for (size_t i = 0; i < params; i++) {
        snprintf(name[i].weight, NAME_SIZE, "weight/%s", param[i].name);
        snprintf(name[i].gradient, NAME_SIZE, "gradient/%s", param[i].name);
        tensors[n++] = parameter(name[i].weight, &param[i], s->w);
        tensors[n++] = parameter(name[i].gradient, &param[i], s->gradient);
    }
    json_t *metadata = json_pack("{s:s, s:s}", "cell", s->what->cell, "text", cb_cell_text(top));
    cb_status st = metadata != NULL ? cbi_tensors_write(path, metadata, tensors, n, NULL, err)
                                    : cb_fail(err, CB_ENOMEM, "bench: what the values are of");
    json_decref(metadata);
    return st;
}

cb_status cb_bench_values(const cb_bench_case *what, uint64_t seed, const char *path, cb_err *err) {
    cbi_subject s = {0};
    cb_rows y = {0};
    size_t params = 0;
    float *rows = NULL;
    names *name = NULL;
    cbi_tensor *tensors = NULL;
    const unsigned denormals = cb_engine_denormals_flush();
    cb_status st = cbi_subject_init(&s, what, seed, err);
    if (st == CB_OK)
        st = cbi_subject_train(&s, &y, err);
    if (st != CB_OK)
        goto out;
    (void)cb_stack_params(s.stack, &params);
    rows = cbi_calloc(s.steps.frames * y.dim, sizeof *rows);
    name = cbi_calloc(params, sizeof *name);
    tensors = cbi_calloc(2 * params + 4, sizeof *tensors);
    if (rows == NULL || name == NULL || tensors == NULL) {
        st = cb_fail(err, CB_ENOMEM, "bench: %zu tensors", 2 * params + 4);
        goto out;
    }
    /* The output's place is borrowed until the next call, and its rows are padded. */
    for (size_t r = 0; r < s.steps.frames; r++)
        memcpy(rows + r * y.dim, y.data + r * y.ld, y.dim * sizeof *rows);
    st = write(&s, rows, name, tensors, path, err);
out:
    cbi_subject_fini(&s);
    cb_engine_denormals_restore(denormals);
    cbi_free(rows);
    cbi_free(name);
    cbi_free(tensors);
    return st;
}
