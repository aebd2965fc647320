/* SPDX-License-Identifier: MIT */
/*
 * How C raises errors in Lua; Lua values to JSON and back. The JSON tree grows inside a box, a
 * userdata, and each new value is hung into it before anything of Lua's is called again: so nothing
 * leaks when Lua raises.
 */
#include "script/script_internal.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"

enum { DEPTH_LIMIT = 32 };

static const char box_name[] = "cellbench.box";

void cbi_script_box_clear(cbi_script_box *box) {
    json_decref(box->json);
    cbi_free(box->text);
    *box = (cbi_script_box){0};
}

static int box_gc(lua_State *L) {
    cbi_script_box_clear(luaL_checkudata(L, 1, box_name));
    return 0;
}

cbi_script_box *cbi_script_box_push(lua_State *L) {
    cbi_script_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (cbi_script_box){0};
    if (luaL_newmetatable(L, box_name)) {
        lua_pushcfunction(L, box_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return box;
}

int cbi_script_fault(lua_State *L) {
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_FAULT);
    return lua_error(L);
}

int cbi_script_raise(lua_State *L, const cb_err *err) {
    if (err->code != CB_ENOMEM)
        return luaL_error(L, "%s", err->text);
    /* Lua knows this text, and gives the call the status LUA_ERRMEM. */
    lua_pushliteral(L, "not enough memory");
    return lua_error(L);
}

static int out_of_memory(lua_State *L) {
    return cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
}

/* Where a converted value is hung. */
typedef struct hook {
    cbi_script_box *box;
    json_t *parent;  /* NULL: it is the root */
    const char *key; /* in an object; NULL in a list */
} hook;

static void convert(lua_State *L, int index, hook at, int depth);

/* Takes the reference. */
static json_t *hang(lua_State *L, hook at, json_t *value) {
    int failed = value == NULL;
    if (!failed && at.parent == NULL)
        at.box->json = value;
    else if (!failed && at.key)
        failed = json_object_set_new(at.parent, at.key, value) != 0;
    else if (!failed)
        failed = json_array_append_new(at.parent, value) != 0;
    if (failed)
        out_of_memory(L);
    return value;
}

/* Jansson says NULL to a text that is not UTF-8 as it does when memory is short. */
static void check_utf8(lua_State *L, const char *text, size_t length) {
    json_t *checked = json_stringn(text, length);
    json_t *any = checked ? NULL : json_stringn_nocheck(text, length);
    int bad = any != NULL;
    json_decref(checked);
    json_decref(any);
    if (bad)
        luaL_error(L, "a text is not UTF-8");
}

static int is_object(lua_State *L, int index) {
    if (lua_getmetatable(L, index)) {
        luaL_getmetatable(L, CBI_SCRIPT_OBJECT);
        int marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
        if (marked)
            return 1;
    }
    if (lua_rawlen(L, index) > 0)
        return 0;
    lua_pushnil(L);
    if (!lua_next(L, index))
        return 0;
    lua_pop(L, 2);
    return 1;
}

static void convert_table(lua_State *L, int index, hook at, int depth) {
    if (depth >= DEPTH_LIMIT)
        luaL_error(L, "a value is nested more than %d deep", DEPTH_LIMIT);
    luaL_checkstack(L, 8, "value");
    if (!is_object(L, index)) {
        json_t *list = hang(L, at, json_array());
        lua_Unsigned n = lua_rawlen(L, index);
        for (lua_Unsigned i = 1; i <= n; i++) {
            lua_rawgeti(L, index, (lua_Integer)i);
            convert(L, lua_gettop(L), (hook){at.box, list, NULL}, depth + 1);
            lua_pop(L, 1);
        }
        return;
    }
    json_t *object = hang(L, at, json_object());
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        size_t length = 0;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &length) : NULL;
        if (key == NULL || strlen(key) != length)
            luaL_error(L, "a record has a key that is no plain text");
        check_utf8(L, key, length);
        convert(L, lua_gettop(L), (hook){at.box, object, key}, depth + 1);
    }
}

static void convert(lua_State *L, int index, hook at, int depth) {
    size_t length;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        hang(L, at, json_boolean(lua_toboolean(L, index)));
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            hang(L, at, json_integer(lua_tointeger(L, index)));
        else if (isfinite(lua_tonumber(L, index)))
            hang(L, at, json_real(lua_tonumber(L, index)));
        else
            luaL_error(L, "expected a finite number, got %f", lua_tonumber(L, index));
        return;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, index, &length);
        check_utf8(L, text, length);
        hang(L, at, json_stringn(text, length));
        return;
    }
    case LUA_TTABLE:
        convert_table(L, index, at, depth);
        return;
    default:
        luaL_error(L, "a %s is no plain value", luaL_typename(L, index));
    }
}

void cbi_script_to_json(lua_State *L, int index, cbi_script_box *box) {
    cbi_script_box_clear(box);
    convert(L, lua_absindex(L, index), (hook){box, NULL, NULL}, 0);
}

void cbi_script_push_json(lua_State *L, const json_t *value) {
    luaL_checkstack(L, 8, "value");
    switch (json_typeof(value)) {
    case JSON_TRUE:
    case JSON_FALSE:
        lua_pushboolean(L, json_is_true(value));
        return;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(value));
        return;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(value));
        return;
    case JSON_STRING:
        lua_pushlstring(L, json_string_value(value), json_string_length(value));
        return;
    case JSON_ARRAY:
        lua_newtable(L);
        for (size_t i = 0; i < json_array_size(value); i++) {
            cbi_script_push_json(L, json_array_get(value, i));
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        return;
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        lua_newtable(L);
        json_object_foreach((json_t *)value, key, item) {
            cbi_script_push_json(L, item);
            lua_setfield(L, -2, key);
        }
        return;
    }
    case JSON_NULL:
        break;
    }
    lua_pushnil(L);
}
