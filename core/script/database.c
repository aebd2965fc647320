/* SPDX-License-Identifier: MIT */
/*
 * cb.open(path): reading a database of results from Lua.
 *
 * A database and each of its queries are userdata, made closed before anything is acquired. A query
 * keeps its database alive and is in its list, so that closing the database closes them first.
 */
#include "script/script_internal.h"

#include <string.h>

#include "base/alloc.h"
#include "cellbench/store.h"

static const char database_name[] = "cellbench.database";
static const char query_name[] = "cellbench.query";

enum { MOST_VALUES = 200 };

typedef struct query query;

typedef struct database {
    cb_store *store; /* NULL: closed */
    query *first;
} database;

struct query {
    cb_query *handle; /* NULL: closed */
    database *owner;
    query *next, *previous;
};

static void query_shut(query *q) {
    if (q->handle == NULL)
        return;
    cb_query_close(q->handle);
    q->handle = NULL;
    if (q->previous)
        q->previous->next = q->next;
    else
        q->owner->first = q->next;
    if (q->next)
        q->next->previous = q->previous;
    q->next = q->previous = NULL;
}

static int query_close(lua_State *L) {
    query_shut(luaL_checkudata(L, 1, query_name));
    return 0;
}

static void push_value(lua_State *L, cb_value value) {
    switch (value.type) {
    case CB_VALUE_INT:
        lua_pushinteger(L, value.integer);
        return;
    case CB_VALUE_REAL:
        lua_pushnumber(L, value.real);
        return;
    case CB_VALUE_TEXT:
        lua_pushlstring(L, value.text, value.length);
        return;
    case CB_VALUE_NULL:
        break;
    }
    lua_pushnil(L);
}

/* The iterator; upvalue 1 is the query. Ends the query with its last row. */
static int query_next(lua_State *L) {
    cb_err err;
    int has_row = 0;
    query *q = luaL_checkudata(L, lua_upvalueindex(1), query_name);
    if (q->handle == NULL) {
        lua_pushnil(L);
        return 1;
    }
    if (cb_query_next(q->handle, &has_row, &err) != CB_OK) {
        query_shut(q);
        return cbi_script_raise(L, &err);
    }
    if (!has_row) {
        query_shut(q);
        lua_pushnil(L);
        return 1;
    }
    size_t n = cb_query_column_count(q->handle);
    lua_createtable(L, 0, (int)n);
    for (size_t i = 0; i < n; i++) {
        push_value(L, cb_query_column(q->handle, i));
        lua_setfield(L, -2, cb_query_column_name(q->handle, i));
    }
    return 1;
}

static cb_value argument_value(lua_State *L, int index) {
    cb_value v = {.type = CB_VALUE_NULL};
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return v;
    case LUA_TBOOLEAN:
        v.type = CB_VALUE_INT;
        v.integer = lua_toboolean(L, index);
        return v;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
            v.type = CB_VALUE_INT;
            v.integer = lua_tointeger(L, index);
        } else {
            v.type = CB_VALUE_REAL;
            v.real = lua_tonumber(L, index);
        }
        return v;
    case LUA_TSTRING:
        v.type = CB_VALUE_TEXT;
        v.text = lua_tolstring(L, index, &v.length);
        return v;
    default:
        luaL_argerror(L, index, "expected a number, a text, a boolean or nil to bind");
        return v;
    }
}

static database *check_database(lua_State *L) {
    database *db = luaL_checkudata(L, 1, database_name);
    if (db->store == NULL)
        luaL_argerror(L, 1, "the database is closed");
    return db;
}

static int database_rows(lua_State *L) {
    cb_err err;
    cb_value values[MOST_VALUES];
    database *db = check_database(L);
    const char *sql = luaL_checkstring(L, 2);
    int n = lua_gettop(L) - 2;
    luaL_argcheck(L, n <= MOST_VALUES, 3, "too many values to bind");
    for (int i = 0; i < n; i++)
        values[i] = argument_value(L, 3 + i);
    query *q = lua_newuserdatauv(L, sizeof *q, 1);
    memset(q, 0, sizeof *q);
    luaL_setmetatable(L, query_name);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    q->owner = db;
    if (cb_query_open(&q->handle, db->store, sql, values, (size_t)n, &err) != CB_OK)
        return cbi_script_raise(L, &err);
    q->next = db->first;
    if (q->next)
        q->next->previous = q;
    db->first = q;
    /* for row in db:rows(...): iterator, no state, no control value, and what the loop closes. */
    int at = lua_gettop(L);
    lua_pushvalue(L, at);
    lua_pushcclosure(L, query_next, 1);
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushvalue(L, at);
    return 4;
}

static int database_close(lua_State *L) {
    database *db = luaL_checkudata(L, 1, database_name);
    while (db->first)
        query_shut(db->first);
    cb_store_close(db->store);
    db->store = NULL;
    return 0;
}

static int database_tostring(lua_State *L) {
    database *db = luaL_checkudata(L, 1, database_name);
    if (db->store == NULL)
        lua_pushliteral(L, "cellbench.database (closed)");
    else
        lua_pushfstring(L, "cellbench.database '%s'", cb_store_path(db->store));
    return 1;
}

static const luaL_Reg database_methods[] = {
    {"rows", database_rows},
    {"close", database_close},
    {NULL, NULL},
};

static const luaL_Reg database_meta[] = {
    {"__gc", database_close},
    {"__close", database_close},
    {"__tostring", database_tostring},
    {NULL, NULL},
};

static const luaL_Reg query_meta[] = {
    {"__gc", query_close},
    {"__close", query_close},
    {NULL, NULL},
};

void cbi_script_database_methods(lua_State *L) {
    luaL_newmetatable(L, query_name);
    luaL_setfuncs(L, query_meta, 0);
    luaL_newmetatable(L, database_name);
    luaL_setfuncs(L, database_meta, 0);
    luaL_newlib(L, database_methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

int cbi_script_open_database(lua_State *L) {
    cb_err err;
    const char *path = luaL_checkstring(L, 1);
    database *db = lua_newuserdatauv(L, sizeof *db, 0);
    *db = (database){0};
    luaL_setmetatable(L, database_name);
    if (cb_store_open(&db->store, path, CB_STORE_READ, &err) == CB_OK)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    lua_pushstring(L, cb_status_name(err.code));
    return 3;
}
