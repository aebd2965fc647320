/* SPDX-License-Identifier: MIT */
/*
 * Nets in Lua: what their methods share (arguments, lists of numbers), and the methods that read
 * and write tensors.
 */
#include "script/net_lua.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "script/script_internal.h"

/* ---- arguments ---- */

cbi_net *cbi_net_check(lua_State *L) {
    cbi_net *net = luaL_checkudata(L, 1, CBI_SCRIPT_NET);
    if (net->stack == NULL)
        luaL_error(L, "the net is closed");
    return net;
}

/* Raises a mistake of the caller's, with its place. */
int cbi_net_mistake(lua_State *L, const char *format, ...) {
    va_list list;
    luaL_where(L, 1);
    va_start(list, format);
    lua_pushvfstring(L, format, list);
    va_end(list);
    lua_concat(L, 2);
    return cbi_script_fault(L);
}

int cbi_net_refuse(lua_State *L, const cb_err *err, const char *where) {
    if (err->code == CB_ENOMEM)
        return cbi_script_raise(L, err);
    return cbi_net_mistake(L, "net:%s: %s", where, err->text);
}

/* The list at the top of the stack must have n entries. */
void cbi_net_check_list(lua_State *L, size_t n, const char *what, const char *where) {
    if (!lua_istable(L, -1))
        cbi_net_mistake(L, "%s: expected a list of %I %s, got a %s", where, (LUAI_UACINT)n, what,
                        luaL_typename(L, -1));
    if (lua_rawlen(L, -1) != n)
        cbi_net_mistake(L, "%s: expected %I %s, got %I", where, (LUAI_UACINT)n, what,
                        (LUAI_UACINT)lua_rawlen(L, -1));
}

/* The number at the top of the stack, popped, as the net can hold it. */
static double read_number(lua_State *L, const cbi_net *net, const char *where, size_t i) {
    double value = (double)NAN;
    if (lua_type(L, -1) != LUA_TNUMBER)
        cbi_net_mistake(L, "%s[%I]: expected a number, got a %s", where, (LUAI_UACINT)i + 1,
                        luaL_typename(L, -1));
    value = cbi_net_number(net, lua_tonumber(L, -1));
    if (!isfinite(value))
        cbi_net_mistake(L, "%s[%I]: expected a finite number, got %f", where, (LUAI_UACINT)i + 1,
                        lua_tonumber(L, -1));
    lua_pop(L, 1);
    return value;
}

/* Reads the list of n numbers at the top of the stack. */
void cbi_net_read_row(lua_State *L, const cbi_net *net, double *to, size_t n, const char *where) {
    cbi_net_check_list(L, n, "numbers", where);
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        to[i] = read_number(L, net, where, i);
    }
}

void cbi_net_push_row(lua_State *L, const double *from, size_t n) {
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushnumber(L, from[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* ---- tensors ---- */

/* 1 if the tensor's numbers are all those of a matrix: [rows][cols]. */
static int is_matrix(const cb_param *p) {
    return p->cols > 0 && p->free_count == p->rows * p->cols;
}

static const cb_stack_param *find_param(lua_State *L, const cbi_net *net, const char *where) {
    size_t n;
    const cb_stack_param *all = cb_stack_params(net->stack, &n);
    const char *name = luaL_checkstring(L, 2);
    cbi_near near;
    cbi_near_init(&near, name);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
        cbi_near_offer(&near, all[i].name);
    }
    cbi_net_mistake(L, "net:%s: there is no tensor '%s'%s", where, name, cbi_near_text(&near));
    return NULL;
}

void cbi_script_push_tensor(lua_State *L, const cb_param *p, const double *values) {
    if (!is_matrix(p)) {
        cbi_net_push_row(L, values, p->free_count);
        return;
    }
    lua_createtable(L, (int)p->rows, 0);
    for (size_t i = 0; i < p->rows; i++) {
        cbi_net_push_row(L, values + i * p->cols, p->cols);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* name, or nothing: one tensor of `values`, or all numbers in one list. */
static int push_tensors(lua_State *L, const cbi_net *net, const double *values, const char *where) {
    if (lua_isnoneornil(L, 2)) {
        cbi_net_push_row(L, values, net->weights);
        return 1;
    }
    const cb_stack_param *p = find_param(L, net, where);
    cbi_script_push_tensor(L, p->param, values + p->offset);
    return 1;
}

static int net_get(lua_State *L) {
    const cbi_net *net = cbi_net_check(L);
    return push_tensors(L, net, net->w, "get");
}

static int net_grad(lua_State *L) {
    const cbi_net *net = cbi_net_check(L);
    return push_tensors(L, net, net->gradient, "grad");
}

static int net_zero_grad(lua_State *L) {
    cbi_net *net = cbi_net_check(L);
    memset(net->gradient, 0, net->weights * sizeof *net->gradient);
    return 0;
}

/* Numbers are read aside first: what is refused changes nothing. */
static int net_set(lua_State *L) {
    cbi_net *net = cbi_net_check(L);
    double *to = net->w, *aside = net->fresh;
    size_t n = net->weights;
    int nested = 0;
    const char *name = "net:set";
    const cb_param *param = NULL;
    lua_settop(L, 3);
    if (!lua_istable(L, 2)) {
        const cb_stack_param *p = find_param(L, net, "set");
        param = p->param;
        to += p->offset;
        n = param->free_count;
        name = lua_pushfstring(L, "net:set: %s", p->name);
        lua_pushvalue(L, 3);
        if (is_matrix(param) && lua_istable(L, -1)) {
            nested = lua_rawgeti(L, -1, 1) == LUA_TTABLE;
            lua_pop(L, 1);
        }
    } else {
        lua_settop(L, 2);
    }
    if (nested) {
        cbi_net_check_list(L, param->rows, "rows", name);
        for (size_t i = 0; i < param->rows; i++) {
            const char *row = lua_pushfstring(L, "%s[%I]", name, (LUAI_UACINT)i + 1);
            lua_rawgeti(L, -2, (lua_Integer)i + 1);
            cbi_net_read_row(L, net, aside + i * param->cols, param->cols, row);
            lua_pop(L, 2);
        }
    } else {
        cbi_net_read_row(L, net, aside, n, name);
    }
    memcpy(to, aside, n * sizeof *to);
    return 0;
}

/* true, or nil, message and code. */
static int file_result(lua_State *L, cb_status st, const cb_err *err) {
    if (st == CB_ENOMEM)
        return cbi_script_raise(L, err);
    if (st == CB_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    lua_pushstring(L, cb_status_name(st));
    return 3;
}

static int net_save(lua_State *L) {
    cb_err err;
    cbi_net *net = cbi_net_check(L);
    return file_result(L, cbi_net_save(net, luaL_checkstring(L, 2), &err), &err);
}

static int net_load(lua_State *L) {
    cb_err err;
    cbi_net *net = cbi_net_check(L);
    return file_result(L, cbi_net_load(net, luaL_checkstring(L, 2), &err), &err);
}

static void set_count(lua_State *L, const char *name, size_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

/* net:params() -> list of tensors */
static int net_params(lua_State *L) {
    static const char *const structures[] = {"full",  "diagonal", "blockdiag",
                                             "upper", "lower",    "antisymmetric"};
    const cbi_net *net = cbi_net_check(L);
    size_t n;
    const cb_stack_param *all = cb_stack_params(net->stack, &n);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        const cb_param *p = all[i].param;
        lua_createtable(L, 0, 8);
        lua_pushstring(L, all[i].name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, p->family);
        lua_setfield(L, -2, "family");
        set_count(L, "layer", strtoul(all[i].name, NULL, 10));
        set_count(L, "rows", p->rows);
        set_count(L, "cols", p->cols);
        set_count(L, "count", p->free_count);
        lua_pushstring(L, p->cols ? structures[p->structure] : "vector");
        lua_setfield(L, -2, "structure");
        lua_pushboolean(L, p->fixed);
        lua_setfield(L, -2, "fixed");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* net:count() -> learned numbers */
static int net_count(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)cb_stack_param_count(cbi_net_check(L)->stack));
    return 1;
}

/* Options come as one table, or not at all; the keys must be among `known`. */
int cbi_net_check_options(lua_State *L, int index, const char *const *known, const char *where) {
    if (lua_isnoneornil(L, index))
        return 0;
    if (!lua_istable(L, index))
        cbi_net_mistake(L, "net:%s: expected a table of options, got a %s", where,
                        luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "a list";
        cbi_near near;
        size_t k = 0;
        cbi_near_init(&near, key);
        for (; known[k] && strcmp(known[k], key) != 0; k++)
            cbi_near_offer(&near, known[k]);
        if (known[k] == NULL)
            cbi_net_mistake(L, "net:%s: unknown key '%s'%s", where, key, cbi_near_text(&near));
    }
    return 1;
}

/* The laws of the table at the top of the stack, in memory on Lua's stack. */
static cb_init_override *read_laws(lua_State *L, size_t *count) {
    cb_err err;
    const int table = lua_gettop(L);
    size_t n = 0;
    if (!lua_istable(L, table))
        cbi_net_mistake(L, "net:init: init: expected a table of laws by tensor, got a %s",
                        luaL_typename(L, table));
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
        n++;
    cb_init_override *laws = lua_newuserdatauv(L, (n + 1) * sizeof *laws, 0);
    *count = 0;
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        cb_init_override *law = &laws[(*count)++];
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            cbi_net_mistake(
                L, "net:init: init: expected laws by tensor, as { R = \"orthogonal(1)\" }");
        law->name = lua_tostring(L, -2);
        if (cb_init_parse(&law->init, lua_tostring(L, -1), &err) != CB_OK)
            cbi_net_refuse(L, &err, "init");
    }
    return laws;
}

/* net:init{ seed =, init = } */
static int net_init(lua_State *L) {
    static const char *const known[] = {"seed", "init", NULL};
    cb_err err;
    cbi_net *net = cbi_net_check(L);
    const cb_init_override *laws = NULL;
    size_t n = 0;
    lua_Integer seed = 1;
    lua_settop(L, 2);
    if (cbi_net_check_options(L, 2, known, "init")) {
        int is_whole = 1;
        if (lua_getfield(L, 2, "seed") != LUA_TNIL)
            seed = lua_tointegerx(L, -1, &is_whole);
        if (!is_whole || lua_type(L, -1) == LUA_TSTRING || seed < 0)
            cbi_net_mistake(L, "net:init: seed: expected an integer >= 0, got %s",
                            luaL_tolstring(L, -1, NULL));
        if (lua_getfield(L, 2, "init") != LUA_TNIL)
            laws = read_laws(L, &n);
    }
    if (cbi_net_draw(net, (uint64_t)seed, laws, n, &err) != CB_OK)
        return cbi_net_refuse(L, &err, "init");
    return 0;
}

const luaL_Reg cbi_net_tensor_methods[] = {
    {"init", net_init}, {"params", net_params}, {"count", net_count},
    {"get", net_get},   {"set", net_set},       {"zero_grad", net_zero_grad},
    {"grad", net_grad}, {"save", net_save},     {"load", net_load},
    {NULL, NULL},
};
