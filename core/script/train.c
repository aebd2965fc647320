/* SPDX-License-Identifier: MIT */
/*
 * One trial run from Lua, without a database: what train.lua calls. Task, trial and weights hang on
 * a userdata; what is called back runs protected, and its error leaves only when training has
 * ended and freed what it held.
 */
#include "script/script_internal.h"

#include <math.h>

#include "base/alloc.h"
#include "cellbench/task.h"
#include "cellbench/train.h"
#include "train/trial.h"

static const char training_name[] = "cellbench.training";

typedef struct training {
    cb_task *task;
    cb_trial *trial;
    cb_trial_result result;
    double *weights; /* those of the result */
} training;

static int training_close(lua_State *L) {
    training *t = luaL_checkudata(L, 1, training_name);
    cb_free(t->result.weights);
    cbi_free(t->weights);
    cb_trial_destroy(t->trial);
    cb_task_close(t->task);
    *t = (training){0};
    return 0;
}

static training *push_training(lua_State *L) {
    training *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (training){0};
    if (luaL_newmetatable(L, training_name)) {
        lua_pushcfunction(L, training_close);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return t;
}

/* ---- learning curves ---- */

typedef struct row_call {
    lua_State *L;
    int function; /* its place on the stack of L */
    const cb_epoch_row *row;
    unsigned denormals; /* as they were outside of training */
    int raised;         /* the error's value is on the stack */
} row_call;

static void set_number(lua_State *L, const char *name, double value) {
    if (!isfinite(value))
        return;
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, size_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

/* (call, function): function{ epoch =, split =, metric =, value =, seconds = } */
static int call_with_row(lua_State *L) {
    static const char *const splits[CB_SPLITS] = {"train", "valid", "test"};
    const row_call *c = lua_touserdata(L, 1);
    lua_createtable(L, 0, 5);
    set_count(L, "epoch", c->row->epoch);
    set_text(L, "split", splits[c->row->split]);
    set_text(L, "metric", c->row->metric);
    set_number(L, "value", c->row->value);
    set_number(L, "seconds", c->row->seconds);
    lua_call(L, 1, 0);
    return 0;
}

/* Called from within training, where nothing may raise: there is room on the stack, and what is
 * pushed needs no memory. */
static cb_status take_row(void *context, const cb_epoch_row *row, cb_err *err) {
    row_call *c = context;
    c->row = row;
    cb_engine_denormals_restore(c->denormals);
    lua_pushcfunction(c->L, call_with_row);
    lua_pushlightuserdata(c->L, c);
    lua_pushvalue(c->L, c->function);
    c->raised = lua_pcall(c->L, 2, 0, 0) != LUA_OK;
    cb_engine_denormals_flush();
    return c->raised ? cb_fail(err, CB_ECANCEL, "stopped by an error in Lua") : CB_OK;
}

/* ---- results ---- */

static void push_weights(lua_State *L, const training *t) {
    size_t n;
    const cb_stack *stack = cb_trial_stack(t->trial);
    const cb_stack_param *p = cb_stack_params(stack, &n);
    const size_t K = cb_task_data(t->task)->target_dim, H = cb_stack_output_dim(stack);
    const cb_param matrix = {.rows = K, .cols = H, .free_count = K * H};
    const cb_param bias = {.rows = K, .free_count = K};
    const double *readout = t->weights + cb_stack_weight_count(stack);
    lua_createtable(L, 0, (int)n + 2);
    for (size_t i = 0; i < n; i++) {
        cbi_script_push_tensor(L, p[i].param, t->weights + p[i].offset);
        lua_setfield(L, -2, p[i].name);
    }
    cbi_script_push_tensor(L, &matrix, readout);
    lua_setfield(L, -2, "readout.V");
    cbi_script_push_tensor(L, &bias, readout + K * H);
    lua_setfield(L, -2, "readout.b");
}

static void push_result(lua_State *L, training *t) {
    static const char *const states[] = {"done", "diverged", "stopped"};
    const cb_trial_result *r = &t->result;
    lua_createtable(L, 0, 24);
    set_text(L, "state", states[r->state]);
    set_text(L, "metric", cb_task_data(t->task)->metric);
    set_text(L, "key", cb_trial_key(t->trial));
    set_text(L, "spec", cb_trial_spec(t->trial));
    set_count(L, "hidden", cb_trial_hidden(t->trial));
    set_count(L, "param_count", cb_trial_param_count(t->trial));
    set_count(L, "epochs", r->epochs);
    set_count(L, "best_epoch", r->best_epoch);
    set_count(L, "updates", r->updates);
    set_number(L, "train", r->train);
    set_number(L, "valid", r->valid);
    set_number(L, "test", r->test);
    set_number(L, "valid_error", r->valid_error);
    set_number(L, "test_error", r->test_error);
    set_number(L, "wall_seconds", r->wall_seconds);
    set_number(L, "cpu_seconds", r->cpu_seconds);
    set_number(L, "flop", r->flop);
    if (r->weights == NULL)
        return;
    if ((t->weights = cbi_calloc(r->weight_count + 1, sizeof *t->weights)) == NULL)
        cbi_script_raise(L, &(cb_err){.code = CB_ENOMEM});
    for (size_t i = 0; i < r->weight_count; i++)
        t->weights[i] = (double)r->weights[i];
    push_weights(L, t);
    lua_setfield(L, -2, "weights");
}

/* nil and the message, but for memory. */
static int failed(lua_State *L, const cb_err *err) {
    if (err->code == CB_ENOMEM)
        return cbi_script_raise(L, err);
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    return 2;
}

/* train(spec, name of the task, its settings, function of a row) -> result, or nil and a message */
int cbi_script_train(lua_State *L) {
    cb_err err;
    const char *task = luaL_checkstring(L, 2);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_settop(L, 4);
    luaL_checkstack(L, 32, "training");
    training *t = push_training(L);
    cbi_script_box *spec = cbi_script_box_push(L), *settings = cbi_script_box_push(L);
    cbi_script_to_json(L, 1, spec);
    cbi_script_to_json(L, 3, settings);
    if (cbi_json_canonical(&settings->text, settings->json, &err) != CB_OK ||
        cb_task_open(&t->task, task, settings->text, &err) != CB_OK ||
        cbi_json_canonical(&spec->text, spec->json, &err) != CB_OK ||
        cb_trial_create(&t->trial, spec->text, t->task, &err) != CB_OK)
        return failed(L, &err);
    if (cbi_trial_fits(t->trial, &err) != CB_OK) { /* not Lua's memory: the figures are told */
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    row_call c = {.L = L, .function = 4, .denormals = cb_engine_denormals_flush()};
    cb_engine_denormals_restore(c.denormals);
    const cb_train_events events = {.context = &c, .row = take_row};
    const cb_status st = cb_trial_run(t->trial, &events, &t->result, &err);
    if (c.raised)
        return lua_error(L);
    if (st != CB_OK)
        return failed(L, &err);
    push_result(L, t);
    /* The data are of no use any more, and may be large. */
    lua_pushcfunction(L, training_close);
    lua_pushvalue(L, 5);
    lua_call(L, 1, 0);
    return 1;
}
