/* SPDX-License-Identifier: MIT */
/*
 * Lua: the module `cellbench` (documented function by function in core/script/MODULE.md), and
 * studies loaded from Lua files.
 *
 * A script, with its studies, belongs to one thread. Errors of Lua are CB_EARG with Lua's text,
 * those of memory CB_ENOMEM; a file that cannot be read is CB_EIO.
 */
#ifndef CELLBENCH_SCRIPT_H
#define CELLBENCH_SCRIPT_H

#include "cellbench/cell.h"
#include "cellbench/status.h"
#include "cellbench/sweep.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_script cb_script;

/* A Lua state with the standard libraries and the module loaded. `cells`: the NULL-ended table of
 * registered cells; borrowed. */
CB_API CB_MUST_USE cb_status cb_script_create(cb_script **out, const cb_cell_def *const *cells,
                                              cb_err *err);
/* Frees the studies too. NULL is allowed. */
CB_API void cb_script_destroy(cb_script *script);

/* Runs a file with the given arguments in `arg`; the error text has file:line and a traceback (a
 * mistake that the module itself tells needs none). Only text is loaded, no bytecode. */
CB_API CB_MUST_USE cb_status cb_script_run(cb_script *script, const char *path, int argc,
                                           char **argv, cb_err *err);

/* Loads a file that returns cb.study{...}, with the given arguments as NAME=VALUE, which it reads
 * with cb.arguments; one that it does not read is an error. Opens its task; checks every key, every
 * cell and the first trial of each cell; where the task or a trial is at fault, the status is
 * theirs. *study is owned by the script, valid until its destroy. */
CB_API CB_MUST_USE cb_status cb_script_study(cb_script *script, const char *path, int argc,
                                             char **argv, const cb_study **study, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
