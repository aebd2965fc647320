/* SPDX-License-Identifier: MIT */
/*
 * The Lua module: what the .lua files beside cannot do for themselves, as
 * a table `core` of functions that is their argument; and the guard around all public functions.
 *
 * The functions of `core` are called by those files alone, with arguments of the right types; they
 * return a message where the person who wrote the study is at fault.
 */
#include "script/script_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/settings.h"
#include "base/text.h"
#include "cellbench/stats.h"
#include "cellbench/sweep.h"
#include "cellbench/task.h"
#include "cellbench/train.h"
#include "script_lua.h" /* made from the .lua files: script_chunks[] */

/* ---- the guard ---- */

/* Calls upvalue 1; upvalue 2: with the caller's place before the arguments. A fault, a table
 * { fault = text }, goes on as a text that starts with the caller's place. */
static int guarded(lua_State *L) {
    int with_place = lua_toboolean(L, lua_upvalueindex(2));
    luaL_checkstack(L, 8, "arguments");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    if (with_place) {
        luaL_where(L, 1);
        lua_insert(L, 2);
    }
    if (lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0) == LUA_OK)
        return lua_gettop(L);
    int top = lua_gettop(L);
    if (lua_istable(L, -1) && lua_getfield(L, -1, "fault") == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
        return cbi_script_fault(L);
    }
    lua_settop(L, top);
    return lua_error(L);
}

static int core_guard(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 2);
    lua_pushcclosure(L, guarded, 2);
    return 1;
}

/* ---- names and axes ---- */

/* nearest(wanted, names) -> ", did you mean 'x'?" or "" */
static int core_nearest(lua_State *L) {
    cbi_near near;
    cbi_near_init(&near, luaL_checkstring(L, 1));
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer n = luaL_len(L, 2);
    for (lua_Integer i = 1; i <= n; i++, lua_pop(L, 1))
        if (lua_rawgeti(L, 2, i) == LUA_TSTRING)
            cbi_near_offer(&near, lua_tostring(L, -1));
    lua_pushstring(L, cbi_near_text(&near));
    return 1;
}

/* kind, low, high, choices from `first` on */
static cb_axis axis_arguments(lua_State *L, const char *name, int first) {
    static const char *const kinds[] = {"choice", "int", "log_int", "uniform", "log_uniform", NULL};
    cb_axis axis = {.name = name};
    axis.kind = (cb_axis_kind)luaL_checkoption(L, first, NULL, kinds);
    axis.low = luaL_checknumber(L, first + 1);
    axis.high = luaL_checknumber(L, first + 2);
    axis.choices = (size_t)luaL_checkinteger(L, first + 3);
    return axis;
}

static int core_axis_check(lua_State *L) {
    cb_err err;
    cb_axis axis = axis_arguments(L, luaL_checkstring(L, 1), 2);
    if (cb_axis_check(&axis, &err) == CB_OK)
        return 0;
    lua_pushstring(L, err.text);
    return 1;
}

static int core_axis_draw(lua_State *L) {
    cb_axis axis = axis_arguments(L, luaL_checkstring(L, 1), 4);
    lua_Integer seed = luaL_checkinteger(L, 2), index = luaL_checkinteger(L, 3);
    lua_pushnumber(L, cb_axis_draw(&axis, (uint64_t)seed, (uint64_t)index));
    return 1;
}

static int core_axis_count(lua_State *L) {
    cb_axis axis = axis_arguments(L, "", 1);
    lua_pushinteger(L, (lua_Integer)cb_axis_grid_count(&axis));
    return 1;
}

static int core_axis_value(lua_State *L) {
    cb_axis axis = axis_arguments(L, "", 2);
    lua_pushnumber(L, cb_axis_grid_value(&axis, (size_t)luaL_checkinteger(L, 1)));
    return 1;
}

static int core_json(lua_State *L) {
    cb_err err;
    luaL_checkany(L, 1);
    cbi_script_box *box = cbi_script_box_push(L);
    cbi_script_to_json(L, 1, box);
    if (cbi_json_canonical(&box->text, box->json, &err) != CB_OK)
        return cbi_script_raise(L, &err);
    lua_pushstring(L, box->text);
    return 1;
}

/* ---- cells ---- */

static const cb_cell_def *const *registered(lua_State *L) {
    return lua_touserdata(L, lua_upvalueindex(1));
}

static int core_cell_names(lua_State *L) {
    lua_newtable(L);
    const cb_cell_def *const *table = registered(L);
    for (lua_Integer i = 0; table[i]; i++) {
        lua_pushstring(L, table[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text ? text : "");
    lua_setfield(L, -2, name);
}

/* Whole numbers stay whole, as in a text. */
static void push_number(lua_State *L, double value) {
    if (value >= -9e15 && value <= 9e15 && (double)(lua_Integer)value == value)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
}

/* cell_info(name) -> { name =, title =, ... } or nil, message */
static int core_cell_info(lua_State *L) {
    cb_err err;
    const cb_cell_def *def = NULL;
    if (cb_cell_find(&def, registered(L), luaL_checkstring(L, 1), &err) != CB_OK) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_newtable(L);
    set_text(L, "name", def->name);
    set_text(L, "family", def->family);
    lua_pushinteger(L, def->year);
    lua_setfield(L, -2, "year");
    set_text(L, "title", def->title);
    set_text(L, "source", def->source);
    set_text(L, "notes", def->notes);
    set_text(L, "aliases", def->aliases);
    set_text(L, "text", def->text);
    set_text(L, "count", def->count);
    for (const cb_cell_setting *s = def->made_from; s != NULL && s->name != NULL; s++) {
        if (s == def->made_from)
            lua_newtable(L);
        if (s->count == 1) {
            push_number(L, s->values[0]);
        } else {
            lua_createtable(L, (int)s->count, 0);
            for (size_t i = 0; i < s->count; i++) {
                push_number(L, s->values[i]);
                lua_rawseti(L, -2, (lua_Integer)i + 1);
            }
        }
        lua_setfield(L, -2, s->name);
        if (s[1].name == NULL)
            lua_setfield(L, -2, "made_from");
    }
    return 1;
}

/* cell_text(name, settings) -> the text of a registered cell */
static int core_cell_text(lua_State *L) {
    cb_err err;
    size_t count;
    const cb_cell_def *def = NULL;
    if (cb_cell_find(&def, registered(L), luaL_checkstring(L, 1), &err) != CB_OK)
        return luaL_error(L, "%s", err.text);
    luaL_checktype(L, 2, LUA_TTABLE);
    cb_cell_setting *settings = cbi_script_read_overrides(L, 2, &count);
    cbi_script_box *box = cbi_script_box_push(L);
    if (cb_cell_def_text(&box->text, def, settings, count, &err) != CB_OK)
        return cbi_script_raise(L, &err);
    lua_pushstring(L, box->text);
    return 1;
}

cb_cell_setting *cbi_script_read_overrides(lua_State *L, int index, size_t *count) {
    size_t n = 0, numbers = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1), n++)
        numbers += lua_istable(L, -1) ? lua_rawlen(L, -1) : 1;
    cb_cell_setting *settings = lua_newuserdatauv(L, (n + 1) * sizeof *settings, 0);
    double *at = lua_newuserdatauv(L, (numbers + 1) * sizeof *at, 0);
    *count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        cb_cell_setting *s = &settings[(*count)++];
        *s = (cb_cell_setting){.name = lua_tostring(L, -2), .count = 1, .values = at};
        if (!lua_istable(L, -1)) {
            *at++ = luaL_checknumber(L, -1);
            continue;
        }
        s->count = lua_rawlen(L, -1);
        for (size_t i = 1; i <= s->count; i++, lua_pop(L, 1)) {
            lua_rawgeti(L, -1, (lua_Integer)i);
            *at++ = luaL_checknumber(L, -1);
        }
    }
    return settings;
}

/* cell_check(name, text, overrides, text below or nil) -> message or nothing. Hidden sizes are
 * tried until one can be divided as the text wants it. */
static int core_cell_check(lua_State *L) {
    static const size_t sizes[] = {12, 60, 840, 16 * 27 * 5};
    cb_err first = {0};
    const char *name = luaL_checkstring(L, 1), *text = luaL_checkstring(L, 2);
    const char *below_text = luaL_optstring(L, 4, NULL);
    size_t count;
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checkstack(L, 12, "settings");
    const cb_cell_setting *settings = cbi_script_read_overrides(L, 3, &count);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cb_err err = {0};
        cb_cell *below = NULL, *cell = NULL;
        size_t H = sizes[i];
        cb_status st = CB_OK;
        if (below_text)
            st = cb_cell_create(&below, "the layer below", below_text, NULL, 0, CB_INPUT_DENSE, H,
                                H, NULL, &err);
        if (st == CB_OK)
            st = cb_cell_create(&cell, name, text, settings, count, CB_INPUT_DENSE, H, H, below,
                                &err);
        cb_cell_destroy(cell);
        cb_cell_destroy(below);
        if (st == CB_OK)
            return 0;
        if (i == 0)
            first = err;
        if (st != CB_ESHAPE)
            break;
    }
    if (first.code == CB_ENOMEM)
        return cbi_script_raise(L, &first);
    lua_pushfstring(L, "cell %s", first.text);
    return 1;
}

/* ---- tables of settings ---- */

static const cb_setting_def sizes[] = {
    {"hidden", CB_SETTING_INT, NULL, 1, 1 << 20, NULL, 1, "hidden dimension H"},
    {"params", CB_SETTING_INT, NULL, 1, 1e12, NULL, 1, "learned numbers, readout included"},
    {"depth", CB_SETTING_INT, NULL, 1, 256, NULL, 1, "layers"},
    {"bidirectional", CB_SETTING_BOOL, NULL, 0, 0, NULL, 1,
     "a second cell in each layer runs backwards"},
    {"residual", CB_SETTING_BOOL, NULL, 0, 0, NULL, 1,
     "every layer but the lowest adds its input to its output"},
    {NULL, CB_SETTING_INT, NULL, 0, 0, NULL, 0, NULL},
};

enum { WHERE_SIZE = 120 };

static const cb_task_def *find_task(const char *name) {
    for (const cb_task_def *const *t = cb_task_table(); *t; t++)
        if (strcmp((*t)->name, name) == 0)
            return *t;
    return NULL;
}

/* The table named by argument 1 ("train", "size", "task") and 2 (the task); NULL: none. `where`
 * starts messages. */
static const cb_setting_def *find_settings(lua_State *L, char where[WHERE_SIZE]) {
    static const char *const kinds[] = {"train", "size", "task", NULL};
    int kind = luaL_checkoption(L, 1, NULL, kinds);
    if (kind == 0) {
        snprintf(where, WHERE_SIZE, "train");
        return cb_train_settings();
    }
    if (kind == 1) {
        snprintf(where, WHERE_SIZE, "cb.study");
        return sizes;
    }
    const cb_task_def *def = find_task(luaL_checkstring(L, 2));
    if (def == NULL)
        return NULL;
    snprintf(where, WHERE_SIZE, "cb.task.%.100s", def->name);
    return def->settings;
}

static int core_task_names(lua_State *L) {
    const cb_task_def *const *table = cb_task_table();
    lua_newtable(L);
    for (lua_Integer i = 0; table[i]; i++) {
        lua_pushstring(L, table[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int core_task_info(lua_State *L) {
    const cb_task_def *def = find_task(luaL_checkstring(L, 1));
    if (def == NULL)
        return 0;
    lua_newtable(L);
    set_text(L, "name", def->name);
    set_text(L, "summary", def->summary);
    set_text(L, "source", def->source);
    set_text(L, "chance", def->chance);
    return 1;
}

/* A default is JSON text; one that is null is left out and the row marked. */
static void set_default(lua_State *L, const char *fallback) {
    cb_err err;
    if (fallback == NULL) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "required");
        return;
    }
    cbi_script_box *box = cbi_script_box_push(L);
    if (cbi_json_parse(&box->json, fallback, strlen(fallback), "default", &err) != CB_OK)
        cbi_script_raise(L, &err);
    cbi_script_push_json(L, box->json);
    lua_pushboolean(L, json_is_null(box->json));
    lua_setfield(L, -4, "nullable");
    lua_setfield(L, -3, "default");
    lua_pop(L, 1);
}

/* settings(kind, name) -> list of rows, or nil */
static int core_settings(lua_State *L) {
    static const char *const types[] = {"int", "number", "bool", "text", "table"};
    char where[WHERE_SIZE];
    const cb_setting_def *table = find_settings(L, where);
    if (table == NULL)
        return 0;
    lua_newtable(L);
    for (lua_Integer i = 0; table[i].name; i++) {
        const cb_setting_def *row = &table[i];
        lua_newtable(L);
        set_text(L, "name", row->name);
        set_text(L, "type", types[row->type]);
        set_text(L, "help", row->help);
        if (row->choices)
            set_text(L, "choices", row->choices);
        if (row->type == CB_SETTING_INT || row->type == CB_SETTING_NUMBER) {
            lua_pushnumber(L, row->low);
            lua_setfield(L, -2, "low");
            lua_pushnumber(L, row->high);
            lua_setfield(L, -2, "high");
        }
        set_default(L, row->fallback);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* check(kind, name, settings, complete) -> message or nothing. Unless complete, only the settings
 * that are there are checked, and none is missed. */
static int core_check(lua_State *L) {
    cb_err err;
    char where[WHERE_SIZE];
    const cb_setting_def *table = find_settings(L, where);
    int complete = lua_toboolean(L, 4);
    size_t n = 0, kept = 0;
    luaL_argcheck(L, table != NULL, 2, "no such table of settings");
    luaL_checktype(L, 3, LUA_TTABLE);
    while (table[n].name)
        n++;
    cb_setting_def *rows = lua_newuserdatauv(L, (n + 1) * sizeof *rows, 0);
    for (size_t i = 0; i < n; i++, lua_pop(L, 1))
        if (lua_getfield(L, 3, table[i].name) != LUA_TNIL || complete)
            rows[kept++] = table[i];
    rows[kept] = table[n];
    cbi_script_box *given = cbi_script_box_push(L);
    cbi_script_box *resolved = cbi_script_box_push(L);
    cbi_script_to_json(L, 3, given);
    if (cbi_settings_resolve(&resolved->json, rows, given->json, where, &err) == CB_OK)
        return 0;
    if (err.code == CB_ENOMEM)
        return cbi_script_raise(L, &err);
    lua_pushstring(L, err.text);
    return 1;
}

/* interval(list of finite numbers, level) -> n, mean, sd, low, high; NaN where there is none */
static int core_interval(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    const double level = luaL_checknumber(L, 2);
    const size_t n = lua_rawlen(L, 1);
    double *values = lua_newuserdatauv(L, (n + 1) * sizeof *values, 0);
    for (size_t i = 0; i < n; i++, lua_pop(L, 1)) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        values[i] = luaL_checknumber(L, -1);
    }
    const cb_stats_mean m = cb_stats_mean_of(values, n, level);
    lua_pushinteger(L, (lua_Integer)m.n);
    lua_pushnumber(L, m.mean);
    lua_pushnumber(L, m.sd);
    lua_pushnumber(L, m.low);
    lua_pushnumber(L, m.high);
    return 5;
}

/* arguments_read(): the script has looked at its arguments, and refused what it does not know */
static int core_arguments_read(lua_State *L) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_ARGUMENTS);
    return 0;
}

/* ---- the module ---- */

static const luaL_Reg core_functions[] = {
    {"guard", core_guard},
    {"nearest", core_nearest},
    {"axis_check", core_axis_check},
    {"axis_draw", core_axis_draw},
    {"axis_count", core_axis_count},
    {"axis_value", core_axis_value},
    {"json", core_json},
    {"cell_names", core_cell_names},
    {"cell_info", core_cell_info},
    {"cell_text", core_cell_text},
    {"cell_check", core_cell_check},
    {"task_names", core_task_names},
    {"task_info", core_task_info},
    {"settings", core_settings},
    {"check", core_check},
    {"interval", core_interval},
    {"arguments_read", core_arguments_read},
    {"open", cbi_script_open_database},
    {"net", cbi_script_make_net},
    {"train", cbi_script_train},
    {NULL, NULL},
};

static void push_core(lua_State *L, const cb_cell_def *const *cells) {
    luaL_newlibtable(L, core_functions);
    lua_pushlightuserdata(L, (void *)cells);
    luaL_setfuncs(L, core_functions, 1);
    lua_pushliteral(L, CELLBENCH_VERSION);
    lua_setfield(L, -2, "version");
    luaL_newmetatable(L, CBI_SCRIPT_STUDY);
    lua_setfield(L, -2, "study_class");
    luaL_newmetatable(L, CBI_SCRIPT_OBJECT);
    lua_setfield(L, -2, "object");
    cbi_script_database_methods(L);
    lua_setfield(L, -2, "database_methods");
}

int cbi_script_open(lua_State *L, const cb_cell_def *const *cells) {
    int base = lua_gettop(L);
    luaL_checkstack(L, 16, "cellbench");
    push_core(L, cells);
    /* Each file gets `core` and what the files before it returned. */
    for (size_t i = 0; script_chunks[i].name; i++) {
        int results = lua_gettop(L) - base;
        if (luaL_loadbufferx(L, (const char *)script_chunks[i].data, script_chunks[i].length,
                             script_chunks[i].name, "t") != LUA_OK)
            return lua_error(L);
        for (int k = 1; k <= results; k++)
            lua_pushvalue(L, base + k);
        lua_call(L, results, 1);
        lua_pushliteral(L, "trial");
        if (lua_istable(L, -2) && lua_rawget(L, -2) == LUA_TFUNCTION)
            lua_setfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_TRIAL);
        lua_settop(L, base + results + 1);
    }
    return 1;
}
