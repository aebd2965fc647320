/* SPDX-License-Identifier: MIT */
/*
 * Texts of cells, at small sizes. What is built prints a text that builds the same cell, and has a
 * schedule that keeps its promises; what fails says where. The first byte chooses the kind of input
 * and whether there is a layer below.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cellbench/cell.h"
#include "unit/schedule_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const char below_text[] = "state h, c[2]\nz = W x\nc' = 0.5*c\nh' = tanh(z + V c')\n";

static void check(int promise) {
    if (!promise)
        abort();
}

static cb_cell *create(const char *text, cb_input_kind kind, const cb_cell *below, cb_err *err) {
    cb_cell *cell = (cb_cell *)(uintptr_t)text; /* must be overwritten */
    size_t I = kind == CB_INPUT_NONE ? 0 : below ? 4 : 3;
    cb_status st = cb_cell_create(&cell, "fuzz", text, NULL, 0, kind, I, 4, below, err);
    check((cell != NULL) == (st == CB_OK));
    if (st != CB_OK)
        check(st == err->code && err->text[0] != '\0' && st != CB_ENOMEM && st != CB_EINTERNAL);
    return cell;
}

static char *describe(const cb_cell *cell) {
    char *text = NULL;
    check(cb_cell_describe(cell, &text, NULL) == CB_OK);
    return text;
}

static void check_cell(const cb_cell *cell, cb_input_kind kind, const cb_cell *below) {
    cb_err err = {0};
    size_t count, learned = 0;
    const cb_param *params = cb_cell_params(cell, &count);
    for (size_t i = 0; i < count; i++)
        learned += params[i].fixed ? 0 : params[i].free_count;
    check(learned == cb_cell_param_count(cell));
    check(cb_cell_output_dim(cell) >= 1);
    check(schedule_broken(cell) == NULL);
    cb_cell *again = create(cb_cell_text(cell), kind, below, &err);
    check(again != NULL && strcmp(cb_cell_text(cell), cb_cell_text(again)) == 0);
    char *one = describe(cell), *two = describe(again);
    check(strcmp(one, two) == 0);
    cbi_free(one);
    cbi_free(two);
    cb_cell_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    cb_err err = {0};
    cb_cell *below = NULL;
    if (size == 0)
        return 0;
    cb_input_kind kind = (cb_input_kind)(bytes[0] % 3);
    if (bytes[0] & 8)
        check((below = create(below_text, kind, NULL, &err)) != NULL);
    char *text = cbi_strndup((const char *)bytes + 1, size - 1);
    check(text != NULL);
    cb_cell *cell = create(text, kind, below, &err);
    if (cell != NULL)
        check_cell(cell, kind, below);
    cb_cell_destroy(cell);
    cb_cell_destroy(below);
    cbi_free(text);
    return 0;
}
