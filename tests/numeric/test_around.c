/* SPDX-License-Identifier: MIT */
/*
 * What stands around a cell: each regulariser and residual links, in the gradient check, for every
 * registered and every awkward cell; and what the masks promise.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cellbench/memory.h"
#include "cellbench/random.h"
#include "numeric/sequences.h"

static const struct {
    const char *name;
    cb_regularisers r;
} around[] = {
    {"variational_input", {.variational_input = 0.3}},
    {"variational_state", {.variational_state = 0.3}},
    {"recurrent_dropout", {.recurrent_dropout = 0.3}},
    {"zoneout", {.zoneout = (const cb_zoneout[]){{NULL, 0.3}}, .zoneout_count = 1}},
    {"all", {0.2, 0.2, 0.2, (const cb_zoneout[]){{NULL, 0.2}}, 1}},
};
enum { AROUND = sizeof around / sizeof *around };

/* As small as the cell can be built: every weight is moved four times. */
static cb_stack *smallest(cb_layer_spec *layers, size_t n, cb_input_kind kind, size_t I) {
    cb_err err;
    cb_stack *stack = NULL;
    for (size_t H = 4; stack == NULL && H <= 16; H += 2) {
        for (size_t l = 0; l < n; l++)
            layers[l].hidden = H;
        if (cb_stack_create(&stack, layers, n, kind, I, &err) == CB_ENOMEM)
            break;
    }
    if (stack == NULL)
        fail_msg("%s: %s", layers[0].name, err.text);
    return stack;
}

static void check(cb_layer_spec *layers, size_t n, cb_input_kind kind, size_t I,
                  const cb_regularisers *r, const char *what) {
    cb_err err;
    cb_check_result result;
    cb_stack *stack = smallest(layers, n, kind, I);
    OK(cb_stack_regularise(stack, r, &err));
    OK(cb_check_stack(stack, 7, &result, &err));
    if (!result.passed)
        fail_msg("%s with %s, %zu layer(s): gradient error %g (%s), f32 share %g (%s)%s",
                 layers[0].name, what, n, result.worst_gradient, result.worst_tensor,
                 result.worst_f32, result.worst_f32_tensor,
                 result.mistrusted ? ", mistrusted: the output is constant" : "");
    cb_stack_destroy(stack);
}

static void test_every_cell(void **state) {
    (void)state;
    any_cell cell;
    for (size_t i = 0; cell_at(i, &cell); i++)
        for (size_t k = 0; k < AROUND; k++) {
            cb_layer_spec one = {.name = cell.name, .text = cell.text};
            check(&one, 1, cell.kind, cell.I, &around[k].r, around[k].name);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_cell)};
    return cmocka_run_group_tests_name("around", tests, NULL, NULL);
}
