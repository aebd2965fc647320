/* SPDX-License-Identifier: MIT */
/*
 * A Lua state of the program's own: scripts, and studies as C sees them (cb_study).
 *
 * Everything that calls Lua runs inside lua_pcall. A study's trial is made when it is asked for:
 * study.lua resolves it, its raw specification goes as JSON to cb_trial_create, and what the
 * caller borrows stays anchored in the registry until the next call.
 */
#include "cellbench/script.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cellbench/task.h"
#include "cellbench/train.h"
#include "script/script_internal.h"

enum {
    SCRIPT_BYTES = 16 << 20,
    SIZE_REACH = 64 /* hidden sizes tried downward from a drawn one */
};

typedef struct study {
    cb_study head;
    lua_State *L;
    int value;  /* the study's place in the registry */
    int anchor; /* that of the last trial */
    cb_task *task;
    cb_study_cell *cells; /* the names are owned */
    char *text, *path, *name, *where, *reproduces;
    char commit[CBI_COMMIT_SIZE];
    cb_trial_setting *settings;
    size_t setting_capacity;
    struct study *next;
} study;

struct cb_script {
    lua_State *L;
    study *studies;
};

/* ---- the state ---- */

static void *allocate(void *context, void *block, size_t old_size, size_t size) {
    (void)context;
    (void)old_size;
    if (size == 0) {
        cbi_free(block);
        return NULL;
    }
    return cbi_realloc(block, size);
}

static int open_module(lua_State *L) {
    return cbi_script_open(L, lua_touserdata(L, lua_upvalueindex(1)));
}

static int open_libraries(lua_State *L) {
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, open_module, 1);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "cellbench");
    return 0;
}

/* The status of a failed call, with the error value, which is popped, as text. */
static cb_status fail(lua_State *L, int code, cb_err *err) {
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    cb_status st = cb_fail(err, code == LUA_ERRMEM ? CB_ENOMEM : CB_EARG, "%s",
                           text ? text : "Lua: an error that is no text");
    lua_pop(L, 1);
    return st;
}

static int with_traceback(lua_State *L) {
    const char *text = lua_tostring(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_FAULT);
    int is_fault = text && lua_rawequal(L, 1, -1);
    lua_settop(L, 1);
    if (is_fault)
        return 1;
    if (text == NULL && luaL_callmeta(L, 1, "__tostring"))
        text = lua_tostring(L, -1);
    if (text == NULL)
        text = lua_pushfstring(L, "an error that is a %s", luaL_typename(L, 1));
    luaL_traceback(L, L, text, 1);
    return 1;
}

cb_status cb_script_create(cb_script **out, const cb_cell_def *const *cells, cb_err *err) {
    cb_status st = CB_OK;
    int code;
    *out = NULL;
    cb_script *s = cbi_calloc(1, sizeof *s);
    if (s == NULL || (s->L = lua_newstate(allocate, NULL)) == NULL) {
        cbi_free(s);
        return cb_fail(err, CB_ENOMEM, "Lua: out of memory");
    }
    /* A light C function and a light userdata need no memory: nothing here can raise. */
    lua_pushcfunction(s->L, open_libraries);
    lua_pushlightuserdata(s->L, (void *)cells);
    if ((code = lua_pcall(s->L, 1, 0, 0)) != LUA_OK) {
        st = fail(s->L, code, err);
        cb_script_destroy(s);
        return st;
    }
    *out = s;
    return CB_OK;
}

static void study_destroy(study *s) {
    if (s == NULL)
        return;
    cb_task_close(s->task);
    cbi_free(s->text);
    cbi_free(s->path);
    cbi_free(s->name);
    cbi_free(s->where);
    cbi_free(s->reproduces);
    for (size_t i = 0; s->cells != NULL && i < s->head.cell_count; i++)
        cbi_free((char *)s->cells[i].name);
    cbi_free(s->cells);
    cbi_free(s->settings);
    cbi_free(s);
}

void cb_script_destroy(cb_script *script) {
    if (script == NULL)
        return;
    lua_close(script->L);
    while (script->studies) {
        study *next = script->studies->next;
        study_destroy(script->studies);
        script->studies = next;
    }
    cbi_free(script);
}

/* ---- running a file ---- */

typedef struct file_call {
    const char *path;
    const char *text; /* of the file, terminated */
    size_t length;
    int argc;
    char **argv;
} file_call;

/* Pushes the file's value after running it with `arg` set. Only text is loaded: damaged bytecode
 * can crash the interpreter. */
static int run_file(lua_State *L) {
    const file_call *f = lua_touserdata(L, 1);
    const char *text = f->text;
    size_t length = f->length;
    if (length > 0 && text[0] == '#') { /* "#!": the line end stays, so that lines count right */
        size_t skip = strcspn(text, "\n");
        text += skip;
        length -= skip;
    }
    luaL_checkstack(L, f->argc + 8, "arguments");
    lua_createtable(L, f->argc, 1);
    lua_pushstring(L, f->path);
    lua_rawseti(L, -2, 0);
    for (int i = 0; i < f->argc; i++) {
        lua_pushstring(L, f->argv[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setglobal(L, "arg");
    const char *name = lua_pushfstring(L, "@%s", f->path);
    if (luaL_loadbufferx(L, text, length, name, "t") != LUA_OK)
        return lua_error(L);
    for (int i = 0; i < f->argc; i++)
        lua_pushstring(L, f->argv[i]);
    lua_call(L, f->argc, 1);
    return 1;
}

/* Calls function(call) -> 1 value under a traceback; the value is left on the stack. */
static cb_status call(lua_State *L, lua_CFunction function, void *argument, cb_err *err) {
    lua_pushcfunction(L, with_traceback);
    lua_pushcfunction(L, function);
    lua_pushlightuserdata(L, argument);
    int code = lua_pcall(L, 1, 1, -3);
    if (code != LUA_OK) {
        cb_status st = fail(L, code, err);
        lua_pop(L, 1);
        return st;
    }
    lua_remove(L, -2);
    return CB_OK;
}

cb_status cb_script_run(cb_script *script, const char *path, int argc, char **argv, cb_err *err) {
    file_call f = {.path = path, .argc = argc, .argv = argv};
    char *text = NULL;
    cb_status st = cbi_file_read(&text, &f.length, path, SCRIPT_BYTES, err);
    if (st != CB_OK)
        return st;
    f.text = text;
    st = call(script->L, run_file, &f, err);
    if (st == CB_OK)
        lua_pop(script->L, 1);
    cbi_free(text);
    return st;
}

/* ---- trials of a study ---- */

typedef struct trial_call {
    study *s;
    size_t index;
    size_t fresh; /* 0: the trial itself; else its confirmation of that number, from 1 */
    cb_study_trial *out;
    cb_err *err;
    cb_status st;
} trial_call;

static const char *field_text(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    const char *text = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the trial is anchored and keeps it */
    return text;
}

static int64_t field_integer(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    int64_t value = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

static cb_value column_value(lua_State *L, int index) {
    cb_value v = {.type = CB_VALUE_NULL};
    switch (lua_type(L, index)) {
    case LUA_TNUMBER:
        v.type = lua_isinteger(L, index) ? CB_VALUE_INT : CB_VALUE_REAL;
        if (v.type == CB_VALUE_INT)
            v.integer = lua_tointeger(L, index);
        else
            v.real = lua_tonumber(L, index);
        break;
    case LUA_TSTRING:
        v.type = CB_VALUE_TEXT;
        v.text = lua_tolstring(L, index, &v.length);
        break;
    default:
        break;
    }
    return v;
}

/* Reads the list of { name, value } into the study's array, whose place 0 is kept for `hidden`,
 * which is known when the trial is made. */
static void read_columns(lua_State *L, int table, trial_call *c) {
    lua_getfield(L, table, "columns");
    size_t n = lua_rawlen(L, -1);
    if (cbi_grow((void **)&c->s->settings, &c->s->setting_capacity, n + 1,
                 sizeof *c->s->settings) != CB_OK)
        cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    c->s->settings[0] = (cb_trial_setting){"hidden", {.type = CB_VALUE_INT}};
    size_t count = 1;
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        const char *name = lua_tostring(L, -2);
        if (strcmp(name, "hidden") != 0)
            c->s->settings[count++] = (cb_trial_setting){name, column_value(L, -1)};
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
    c->out->settings = c->s->settings;
    c->out->setting_count = count;
}

/* Not every cell builds at every hidden size: groups must come out equal. A size that a search drew
 * stands for the nearest one below it that builds; a size that a person wrote does not. */
static cb_status create_smaller(trial_call *c, cbi_script_box *box) {
    json_int_t hidden = json_integer_value(json_object_get(box->json, "hidden"));
    for (json_int_t at = hidden - 1; at > 0 && hidden - at < SIZE_REACH; at--) {
        cbi_free(box->text);
        box->text = NULL;
        if (json_object_set_new(box->json, "hidden", json_integer(at)) != 0)
            return cb_fail(c->err, CB_ENOMEM, "study: out of memory");
        cb_status st = cbi_json_canonical(&box->text, box->json, c->err);
        if (st != CB_OK)
            return st;
        st = cb_trial_create(&c->out->trial, box->text, c->s->task, NULL);
        if (st == CB_OK || st == CB_ENOMEM)
            return st;
    }
    return CB_ESHAPE; /* c->err still tells of the size that was drawn */
}

static int make_trial(lua_State *L) {
    trial_call *c = lua_touserdata(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_TRIAL);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->s->value);
    lua_pushinteger(L, (lua_Integer)c->index + 1);
    if (c->fresh > 0)
        lua_pushinteger(L, (lua_Integer)c->fresh);
    else
        lua_pushnil(L);
    lua_call(L, 3, 1);
    int table = lua_gettop(L);
    lua_pushvalue(L, table);
    lua_rawseti(L, LUA_REGISTRYINDEX, c->s->anchor);
    c->out->cell = field_text(L, table, "cell");
    c->out->cell_source = field_text(L, table, "source");
    c->out->seed = field_integer(L, table, "seed");
    c->out->config = field_integer(L, table, "config");
    read_columns(L, table, c);
    lua_getfield(L, table, "hidden_drawn");
    int drawn = lua_toboolean(L, -1);
    cbi_script_box *box = cbi_script_box_push(L);
    lua_getfield(L, table, "spec");
    cbi_script_to_json(L, -1, box);
    /* From here on nothing raises. */
    c->st = cbi_json_canonical(&box->text, box->json, c->err);
    if (c->st == CB_OK)
        c->st = cb_trial_create(&c->out->trial, box->text, c->s->task, c->err);
    if (c->st == CB_ESHAPE && drawn)
        c->st = create_smaller(c, box);
    if (c->st != CB_OK)
        c->st = cb_fail_prefix(c->err, c->st, "%scell '%s', configuration %lld: ", c->s->where,
                               c->out->cell, (long long)c->out->config);
    else
        c->s->settings[0].value.integer = (int64_t)cb_trial_hidden(c->out->trial);
    cbi_script_box_clear(box);
    return 0;
}

static cb_status get_trial(study *s, size_t i, size_t fresh, cb_study_trial *out, cb_err *err) {
    trial_call c = {.s = s, .index = i, .fresh = fresh, .out = out, .err = err, .st = CB_OK};
    *out = (cb_study_trial){0};
    if (i >= s->head.count)
        return cb_fail(err, CB_EARG, "study '%s': expected a trial below %zu, got %zu", s->name,
                       s->head.count, i);
    lua_pushcfunction(s->L, make_trial);
    lua_pushlightuserdata(s->L, &c);
    int code = lua_pcall(s->L, 1, 0, 0);
    if (code != LUA_OK)
        c.st = fail(s->L, code, err);
    if (c.st != CB_OK)
        *out = (cb_study_trial){0};
    return c.st;
}

static cb_status study_get(void *context, size_t i, cb_study_trial *out, cb_err *err) {
    return get_trial(context, i, 0, out, err);
}

static cb_status study_confirm(void *context, size_t i, size_t k, cb_study_trial *out,
                               cb_err *err) {
    study *s = context;
    *out = (cb_study_trial){0};
    if (k >= s->head.confirm_seeds)
        return cb_fail(err, CB_EARG, "study '%s': expected a fresh seed below %zu, got %zu",
                       s->name, s->head.confirm_seeds, k);
    return get_trial(s, i, k + 1, out, err);
}

/* ---- loading a study ---- */

typedef struct study_call {
    study *s;
    file_call file;
    cbi_script_box *box;
    cb_err *err;
    cb_status st;
} study_call;

static char *copy_field(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    char *copy = cbi_strdup(luaL_checkstring(L, -1));
    lua_pop(L, 1);
    return copy;
}

/* The cells of the study on top of the stack, with how many settings each has. */
static void read_cells(lua_State *L, study *s) {
    lua_getfield(L, -1, "cells");
    lua_getfield(L, -2, "configs");
    const size_t n = lua_rawlen(L, -1);
    if ((s->cells = cbi_calloc(n + 1, sizeof *s->cells)) == NULL)
        cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    s->head.cells = s->cells;
    for (size_t i = 0; i < n; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        s->cells[i].configs = (size_t)luaL_checkinteger(L, -1);
        lua_rawgeti(L, -3, (lua_Integer)i + 1);
        s->cells[i].name = cbi_strdup(luaL_checkstring(L, -1));
        lua_pop(L, 2);
        s->head.cell_count++;
        if (s->cells[i].name == NULL)
            cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    }
    lua_pop(L, 2);
}

static size_t length_of_field(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    size_t n = lua_rawlen(L, -1);
    lua_pop(L, 1);
    return n;
}

/* Opens the task of the study on top of the stack. */
static void open_task(lua_State *L, study_call *c) {
    int top = lua_gettop(L);
    cbi_script_box *box = cbi_script_box_push(L);
    lua_getfield(L, top, "task");
    lua_getfield(L, -1, "settings");
    cbi_script_to_json(L, -1, box);
    lua_getfield(L, -2, "name");
    const char *name = luaL_checkstring(L, -1);
    c->st = cbi_json_canonical(&box->text, box->json, c->err);
    if (c->st == CB_OK)
        c->st = cb_task_open(&c->s->task, name, box->text, c->err);
    if (c->st != CB_OK)
        cb_fail_prefix(c->err, c->st, "%s", c->s->where);
    lua_settop(L, top);
}

/* Runs the file of a study. Arguments that it does not look at would be ignored in silence. */
static int run_study_file(lua_State *L) {
    const file_call *f = lua_touserdata(L, 1);
    lua_pushnil(L);
    lua_setfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_ARGUMENTS);
    run_file(L);
    const int value = lua_gettop(L);
    if (f->argc == 0 || lua_getfield(L, LUA_REGISTRYINDEX, CBI_SCRIPT_ARGUMENTS) == LUA_TBOOLEAN) {
        lua_settop(L, value);
        return 1;
    }
    lua_pushfstring(L,
                    "%s: unexpected argument '%s': the study takes none (a script reads its "
                    "arguments with cb.arguments)",
                    f->path, f->argv[0]);
    return cbi_script_fault(L);
}

/* Runs the file and reads the study it returns. */
static int load_study(lua_State *L) {
    study_call *c = lua_touserdata(L, 1);
    lua_pushcfunction(L, run_study_file);
    lua_pushlightuserdata(L, &c->file);
    lua_call(L, 1, 1);
    luaL_getmetatable(L, CBI_SCRIPT_STUDY);
    if (!lua_getmetatable(L, -2) || !lua_rawequal(L, -1, -2)) {
        const char *got = lua_isnil(L, 2) ? "nothing" : luaL_typename(L, 2);
        if (luaL_getmetafield(L, 2, "__name") == LUA_TSTRING)
            got = lua_tostring(L, -1);
        lua_pushfstring(
            L,
            "%s: expected a file that returns cb.study{ ... }, got %s%s back; a script that "
            "is no study is run with: cellbench lua FILE",
            c->file.path, lua_isnil(L, 2) ? "" : "a ", got);
        return cbi_script_fault(L);
    }
    lua_settop(L, 2);
    c->s->name = copy_field(L, "name");
    c->s->where = copy_field(L, "where");
    if (c->s->name == NULL || c->s->where == NULL)
        return cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    lua_getfield(L, 2, "count");
    c->s->head.count = (size_t)luaL_checkinteger(L, -1);
    lua_getfield(L, 2, "keep");
    c->s->head.keep_best = lua_toboolean(L, -1);
    lua_settop(L, 2);
    read_cells(L, c->s);
    lua_getfield(L, 2, "seed_count");
    c->s->head.seed_count = (size_t)luaL_checkinteger(L, -1);
    lua_settop(L, 2);
    lua_getfield(L, 2, "confirm");
    lua_getfield(L, -1, "top");
    c->s->head.confirm_top = (size_t)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    c->s->head.confirm_seeds = length_of_field(L, "seeds");
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    c->s->value = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    c->s->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
    if (lua_getfield(L, 2, "reproduces") == LUA_TSTRING &&
        (c->s->reproduces = cbi_strdup(lua_tostring(L, -1))) == NULL)
        return cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    lua_settop(L, 2);
    open_task(L, c);
    lua_pushnil(L);
    return 1;
}

typedef struct cell_check {
    char key[65];
    char *name;
} cell_check;

/* In the store a trial of a study belongs to one cell: two that are the same would share theirs. */
static cb_status check_distinct(const study_call *c, const cell_check *seen, size_t n,
                                cb_err *err) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(seen[i].key, seen[n].key) == 0)
            return cb_fail(err, CB_EARG,
                           "%scb.study: the cells '%s' and '%s' have the same equations and the "
                           "same settings: one result cannot stand for two cells; leave one of "
                           "them out, or let their settings differ",
                           c->s->where, seen[i].name, seen[n].name);
    return CB_OK;
}

/* The first trial of each cell is made and thrown away: what is wrong with a cell shows now. */
static cb_status check_cells(const study_call *c, cb_err *err) {
    cb_status st = CB_OK;
    const size_t cells = c->s->head.cell_count;
    cell_check *seen = cbi_calloc(cells + 1, sizeof *seen);
    if (seen == NULL)
        return cb_fail(err, CB_ENOMEM, "study: out of memory");
    for (size_t i = 0; i < cells && st == CB_OK; i++) {
        cb_study_trial trial;
        if ((st = study_get(c->s, i * c->s->head.seed_count, &trial, err)) != CB_OK)
            break;
        memcpy(seen[i].key, cb_trial_key(trial.trial), sizeof seen[i].key - 1);
        cb_trial_destroy(trial.trial);
        if ((seen[i].name = cbi_strdup(trial.cell)) == NULL)
            st = cb_fail(err, CB_ENOMEM, "study: out of memory");
        else
            st = check_distinct(c, seen, i, err);
    }
    for (size_t i = 0; i < cells; i++)
        cbi_free(seen[i].name);
    cbi_free(seen);
    return st;
}

cb_status cb_script_study(cb_script *script, const char *path, int argc, char **argv,
                          const cb_study **out, cb_err *err) {
    cb_status st;
    *out = NULL;
    study *s = cbi_calloc(1, sizeof *s);
    study_call c = {
        .s = s, .file = {.path = path, .argc = argc, .argv = argv}, .err = err, .st = CB_OK};
    if (s == NULL || (s->path = cbi_strdup(path)) == NULL) {
        st = cb_fail(err, CB_ENOMEM, "study: out of memory");
        goto out;
    }
    s->L = script->L;
    if ((st = cbi_file_read(&s->text, &c.file.length, path, SCRIPT_BYTES, err)) != CB_OK)
        goto out;
    c.file.text = s->text;
    if ((st = call(s->L, load_study, &c, err)) != CB_OK)
        goto out;
    lua_pop(s->L, 1);
    if ((st = c.st) != CB_OK || (st = check_cells(&c, err)) != CB_OK)
        goto out;
    cbi_script_commit(s->commit, path);
    s->head.context = s;
    s->head.get = study_get;
    s->head.confirm = study_confirm;
    s->head.task = s->task;
    s->head.info = (cb_study_info){.name = s->name,
                                   .script_path = s->path,
                                   .script = s->text,
                                   .git_commit = s->commit,
                                   .reproduces = s->reproduces};
    s->next = script->studies;
    script->studies = s;
    *out = &s->head;
    s = NULL;
out:
    study_destroy(s);
    return st;
}
