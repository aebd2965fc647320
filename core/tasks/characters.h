/* SPDX-License-Identifier: MIT */
/*
 * Text as sequences of symbols: UTF-8 is taken apart into characters (code points), and those that
 * the training part holds become the symbols.
 */
#ifndef CB_TASKS_CHARACTERS_H
#define CB_TASKS_CHARACTERS_H

#include "tasks/recorded.h"

enum { CBI_MOST_SYMBOLS = 10000 };

/*
 * Fills the three splits of set and data (whose input and loss are laid down already): the input of
 * a frame is a character, its label the next one; so every character of a split but the first is
 * predicted. A sequence goes on where the one before it ended.
 *
 * Symbols 0, 1, ... are the characters of the training part in the order of their code points; one
 * symbol more, the last, stands for every other character of validation and test. input_dim and
 * target_dim are set to their number, which is the same whether or not there are others.
 *
 * text   untrusted; `length` bytes
 * limit  only the first `limit` characters are taken; 0: all. What is behind them is looked at, too
 * file   for messages
 *
 * Errors: CB_EDATA: bytes that are not UTF-8, or zero (with their offset, from 0), too few
 * characters for three splits, a training part of one single character or of more symbols than
 * CBI_MOST_SYMBOLS; CB_EARG (shares); CB_ESHAPE (too large); CB_ENOMEM. After an error the set
 * holds what was made so far, for cbi_dataset_destroy.
 */
CB_MUST_USE cb_status cbi_characters_read(cbi_dataset *set, cb_data *data, const char *text,
                                          size_t length, size_t limit, const cbi_cut *cut,
                                          const char *file, cb_err *err);

#endif
