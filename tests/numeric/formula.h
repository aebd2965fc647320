/* SPDX-License-Identifier: MIT */
/* Parameter counts as papers give them: + - * / and parentheses over I, H and numbers. */
#ifndef CB_TESTS_FORMULA_H
#define CB_TESTS_FORMULA_H

#include <stddef.h>

double formula_value(const char *formula, size_t I, size_t H);

#endif
