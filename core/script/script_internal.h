/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the script module; the only header, with those it includes, that knows Lua.
 *
 * Discipline: a function that calls anything of Lua's that can raise holds no C resource meanwhile,
 * other than in a userdata with __gc.
 */
#ifndef CB_SCRIPT_INTERNAL_H
#define CB_SCRIPT_INTERNAL_H

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "base/json.h"
#include "cellbench/cell.h"
#include "cellbench/status.h"

/* Pushes the module's table; `cells` is borrowed for the life of the state. */
int cbi_script_open(lua_State *L, const cb_cell_def *const *cells);

/* Metatable of studies, and the function (study, i) -> trial of study.lua, in the registry. */
#define CBI_SCRIPT_STUDY "cellbench.study"
/* Registry: true once cb.arguments has been called. */
#define CBI_SCRIPT_ARGUMENTS "cellbench.arguments"
#define CBI_SCRIPT_TRIAL "cellbench.trial"
/* Metatable of tables that are JSON objects even when empty. */
#define CBI_SCRIPT_OBJECT "cellbench.object"

/* ---- errors and values (json_value.c) ---- */

/* Raises the text on top of the stack as a mistake of the script's, which needs no traceback: with
 * it CBI_SCRIPT_FAULT of the registry is the same text. */
#define CBI_SCRIPT_FAULT "cellbench.fault"
int cbi_script_fault(lua_State *L);
/* Raises err's text with the caller's place, or Lua's own error of memory. */
int cbi_script_raise(lua_State *L, const cb_err *err);

/* ---- Lua values as JSON ---- */

/* What C holds while Lua runs: released by __gc or earlier by cbi_script_box_clear. */
typedef struct cbi_script_box {
    json_t *json;
    char *text; /* of base/alloc.h */
} cbi_script_box;

/* Pushes an empty box. */
cbi_script_box *cbi_script_box_push(lua_State *L);
void cbi_script_box_clear(cbi_script_box *box);
/* Converts the value at `index` into box->json. Raises on what JSON cannot hold: functions, NaN,
 * texts that are not UTF-8, tables that are neither lists nor records. */
void cbi_script_to_json(lua_State *L, int index, cbi_script_box *box);
/* Pushes a JSON value; null becomes nil. */
void cbi_script_push_json(lua_State *L, const json_t *value);

/* Reads { name = number or list } at `index`, the settings of a cell, into memory that lies on
 * Lua's stack: two values are pushed (module.c). */
cb_cell_setting *cbi_script_read_overrides(lua_State *L, int index, size_t *count);

/* ---- cb.net (net.c) ---- */

int cbi_script_make_net(lua_State *L);
/* Pushes a tensor: the rows of a whole matrix, or the list of its free numbers. */
void cbi_script_push_tensor(lua_State *L, const cb_param *param, const double *values);

/* ---- cb.train (train.c) ---- */

int cbi_script_train(lua_State *L);

/* ---- cb.open (database.c) ---- */

int cbi_script_open_database(lua_State *L);
/* Makes the classes and pushes the table of a database's methods, to which results.lua adds. */
void cbi_script_database_methods(lua_State *L);

/* ---- where a study stands in git (commit.c) ---- */

enum { CBI_COMMIT_SIZE = 80 };
/* Writes the commit of the folder that holds `path`, with "+dirty" where tracked files differ from
 * it; "" if it is in no work tree or there is no git. */
void cbi_script_commit(char out[CBI_COMMIT_SIZE], const char *path);

#endif
