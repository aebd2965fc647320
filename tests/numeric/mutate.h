/* SPDX-License-Identifier: MIT */
/*
 * Mutations of a cell's canonical text, as an architecture search would make them, and worse ones:
 * an operation replaced, inserted or removed, a value taken from elsewhere, lines that move, and
 * now and then a token that is out of place.
 */
#ifndef CB_TESTS_MUTATE_H
#define CB_TESTS_MUTATE_H

#include <stddef.h>

#include "cellbench/random.h"

enum { MUTATE_TOKENS = 1200, MUTATE_TOKEN = 40, MUTATE_TEXT = MUTATE_TOKENS * 12 };

typedef struct mutation {
    char token[MUTATE_TOKENS][MUTATE_TOKEN];
    size_t count;
    cb_random random;
} mutation;

/* Takes a text apart; a text with more tokens than there is room for is cut off at one. */
void mutate_begin(mutation *m, const char *text, cb_random random);
/* One change, wherever it falls. */
void mutate_once(mutation *m);
/* The text again; returns `out`. */
char *mutate_text(const mutation *m, char out[MUTATE_TEXT]);

#endif
