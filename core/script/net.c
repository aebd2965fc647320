/* SPDX-License-Identifier: MIT */
/*
 * The userdata behind cb.net{}: stacks that are run forward and backward on Lua tables. net.lua
 * checks what is given to cb.net; the class and the methods that compute are here, those of tensors
 * in net_tensor.c.
 *
 * Tables are read and written without their metamethods. All memory hangs on the userdata, so
 * that an error may be raised anywhere.
 */
#include "script/net_lua.h"

#include <string.h>

#include "base/text.h"
#include "script/script_internal.h"

/* A name for messages, which lies on Lua's stack; popped by the caller. */
static const char *name_row(lua_State *L, const char *name, size_t t, size_t b) {
    return lua_pushfstring(L, "%s[%I][%I]", name, (LUAI_UACINT)t + 1, (LUAI_UACINT)b + 1);
}

/* ---- states ---- */

typedef struct state_place {
    size_t layer; /* as the stack counts its cells */
    const cb_state_info *info;
} state_place;

/* "1.h", "1.reverse.h": layer, counted from 1, and state. */
static state_place find_state(lua_State *L, const cbi_net *net, const char *name,
                              const char *where) {
    size_t n;
    cbi_near near;
    for (size_t l = 0; l < cb_stack_layer_count(net->stack); l++) {
        const size_t length = strlen(net->label[l]);
        const cb_state_info *s = cb_cell_states(cb_stack_cell(net->stack, l), &n);
        if (strncmp(name, net->label[l], length) != 0 || name[length] != '.')
            continue;
        for (size_t i = 0; i < n; i++)
            if (strcmp(name + length + 1, s[i].name) == 0)
                return (state_place){l, &s[i]};
    }
    cbi_near_init(&near, name);
    for (size_t l = 0; l < cb_stack_layer_count(net->stack); l++) {
        const cb_state_info *s = cb_cell_states(cb_stack_cell(net->stack, l), &n);
        luaL_checkstack(L, (int)n + 8, "states");
        for (size_t i = 0; i < n; i++) /* the name stays on the stack: the nearest is kept */
            cbi_near_offer(&near, lua_pushfstring(L, "%s.%s", net->label[l], s[i].name));
    }
    cbi_net_mistake(
        L, "net:%s: there is no state '%s'%s; a state is named by layer and name, as '1.h'", where,
        name, cbi_near_text(&near));
    return (state_place){0, NULL};
}

typedef cb_status state_taker(cbi_net *net, size_t layer, const char *state, size_t dim,
                              cb_err *err);

/* Reads the table { ["1.h"] = (B, dim) } at the top of the stack, each into net->state and on. */
static void take_states(lua_State *L, cbi_net *net, state_taker *take, const char *where,
                        const char *key) {
    cb_err err;
    const int table = lua_gettop(L);
    if (!lua_istable(L, table))
        cbi_net_mistake(L, "net:%s: %s: expected a table of states by name, got a %s", where, key,
                        luaL_typename(L, table));
    for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        const state_place at = find_state(L, net, name, where);
        const char *shown = lua_pushfstring(L, "net:%s: %s: %s", where, key, name);
        lua_insert(L, -2);
        cbi_net_check_list(L, net->B, "sequences", shown);
        if (cbi_net_state_room(net, at.info->dim, &err) != CB_OK)
            cbi_net_refuse(L, &err, where);
        for (size_t b = 0; b < net->B; b++) {
            const char *row = lua_pushfstring(L, "%s[%I]", shown, (LUAI_UACINT)b + 1);
            lua_rawgeti(L, -2, (lua_Integer)b + 1);
            cbi_net_read_row(L, net, net->state + net->place[b] * at.info->dim, at.info->dim, row);
            lua_pop(L, 2);
        }
        if (take(net, at.layer, at.info->name, at.info->dim, &err) != CB_OK)
            cbi_net_refuse(L, &err, where);
        lua_remove(L, -2);
    }
}

static int push_state(lua_State *L, cbi_net *net, state_taker *give, const char *where) {
    cb_err err;
    const state_place at = find_state(L, net, luaL_checkstring(L, 2), where);
    if (give(net, at.layer, at.info->name, at.info->dim, &err) != CB_OK)
        return cbi_net_refuse(L, &err, where);
    lua_createtable(L, (int)net->B, 0);
    for (size_t b = 0; b < net->B; b++) {
        cbi_net_push_row(L, net->state + net->place[b] * at.info->dim, at.info->dim);
        lua_rawseti(L, -2, (lua_Integer)b + 1);
    }
    return 1;
}

/* net:state("1.h") -> (B, dim) */
static int net_state(lua_State *L) {
    cbi_net *net = cbi_net_check(L);
    if (!net->ran)
        return cbi_net_mistake(L, "net:state: expected net:forward before");
    return push_state(L, net, cbi_net_final_state, "state");
}

/* net:state_grad("1.h") -> (B, dim) */
static int net_state_grad(lua_State *L) {
    cbi_net *net = cbi_net_check(L);
    if (!net->differentiated)
        return cbi_net_mistake(L, "net:state_grad: expected net:backward before");
    return push_state(L, net, cbi_net_initial_gradient, "state_grad");
}

/* ---- sequences ---- */

/* The integer at the top of the stack, popped, within low..high. */
static size_t read_count(lua_State *L, lua_Integer low, lua_Integer high, const char *where) {
    int is_whole = 0;
    lua_Integer value = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_whole) : 0;
    if (!is_whole || value < low || value > high)
        cbi_net_mistake(L, "%s: expected an integer from %I to %I, got %s", where, (LUAI_UACINT)low,
                        (LUAI_UACINT)high, luaL_tolstring(L, -1, NULL));
    lua_pop(L, 1);
    return (size_t)value;
}

/* Steps and sequences as the table x at 2 has them: all of one length. */
static size_t measure(lua_State *L, size_t *B) {
    if (!lua_istable(L, 2))
        cbi_net_mistake(L, "net:forward: x: expected nested lists (T, B, I), got %s",
                        luaL_typename(L, 2));
    const size_t T = lua_rawlen(L, 2);
    if (T == 0)
        cbi_net_mistake(L, "net:forward: x: expected at least one step, got an empty list");
    if (lua_rawgeti(L, 2, 1) != LUA_TTABLE || (*B = lua_rawlen(L, -1)) == 0)
        cbi_net_mistake(L, "net:forward: x[1]: expected a list of sequences, got %s",
                        lua_istable(L, -1) ? "an empty one" : luaL_typename(L, -1));
    lua_pop(L, 1);
    return T;
}

/* Fills the net's lengths: from the list at the top of the stack, or else from x. */
static void read_lengths(lua_State *L, cbi_net *net, int have_x) {
    cb_err err;
    size_t B = 0, T = SIZE_MAX / 2;
    const int list = lua_gettop(L), given = !lua_isnil(L, list);
    if (have_x)
        T = measure(L, &B);
    if (given && !lua_istable(L, list))
        cbi_net_mistake(L, "net:forward: lengths: expected a list, got a %s",
                        luaL_typename(L, list));
    if (!given && !have_x)
        cbi_net_mistake(L, "net:forward: lengths: expected a list, for there is no input");
    if (given && have_x)
        cbi_net_check_list(L, B, "lengths", "net:forward: lengths");
    if (given && (B = lua_rawlen(L, list)) == 0)
        cbi_net_mistake(L, "net:forward: lengths: expected at least one");
    if (cbi_net_lengths(net, B, &err) != CB_OK)
        cbi_net_refuse(L, &err, "forward");
    for (size_t b = 0; b < B; b++) {
        net->length[b] = T;
        if (!given)
            continue;
        lua_rawgeti(L, list, (lua_Integer)b + 1);
        net->length[b] =
            read_count(L, 1, have_x ? (lua_Integer)T : INT32_MAX, "net:forward: lengths");
    }
    if (cbi_net_shape(net, &err) != CB_OK)
        cbi_net_refuse(L, &err, "forward");
    if (have_x && net->T != T)
        cbi_net_mistake(
            L, "net:forward: lengths: expected the longest to be the %I steps of x, got %I",
            (LUAI_UACINT)T, (LUAI_UACINT)net->T);
}

/* `start`: the steps at which the sequences go on, as the list at the top of the stack has them. */
static void read_starts(lua_State *L, cbi_net *net) {
    cb_err err;
    cbi_net_check_list(L, net->B, "steps", "net:forward: start");
    for (size_t b = 0; b < net->B; b++) {
        lua_rawgeti(L, -1, (lua_Integer)b + 1);
        const size_t t = read_count(L, 0, INT32_MAX, "net:forward: start");
        if (cbi_net_start(net, b, (uint32_t)t, &err) != CB_OK)
            cbi_net_refuse(L, &err, "forward");
    }
}

/* Calls `read` with the entry [t][b] of the nested table at `index` on top of the stack, for every
 * step that sequence b has. */
static void each_row(lua_State *L, cbi_net *net, int index, const char *name,
                     void (*read)(lua_State *L, cbi_net *net, size_t frame, const char *where)) {
    for (size_t t = 0; t < net->T; t++) {
        const char *step = lua_pushfstring(L, "%s[%I]", name, (LUAI_UACINT)t + 1);
        lua_rawgeti(L, index, (lua_Integer)t + 1);
        /* Sequences that have ended may be left out at the end. */
        if (lua_istable(L, -1) && (net->rows[t] == net->B || lua_rawlen(L, -1) > net->B))
            cbi_net_check_list(L, net->B, "sequences", step);
        else if (!lua_istable(L, -1))
            cbi_net_mistake(L, "%s: expected a list of %I sequences, got %s", step,
                            (LUAI_UACINT)net->B, luaL_typename(L, -1));
        for (size_t b = 0; b < net->B; b++) {
            if (net->length[b] <= t)
                continue;
            const char *row = name_row(L, name, t, b);
            lua_rawgeti(L, -2, (lua_Integer)b + 1);
            read(L, net, cbi_net_frame(net, t, b), row);
            lua_pop(L, 2);
        }
        lua_pop(L, 2);
    }
}

static void read_x(lua_State *L, cbi_net *net, size_t frame, const char *where) {
    const size_t I = cb_stack_input_dim(net->stack);
    cbi_net_read_row(L, net, net->x + frame * I, I, where);
}

static void read_symbol(lua_State *L, cbi_net *net, size_t frame, const char *where) {
    lua_pushvalue(L, -1);
    const size_t symbol = read_count(L, 1, (lua_Integer)cb_stack_input_dim(net->stack), where);
    net->index[frame] = (int32_t)(symbol - 1);
}

static void read_dy(lua_State *L, cbi_net *net, size_t frame, const char *where) {
    const size_t O = cb_stack_output_dim(net->stack);
    cbi_net_read_row(L, net, net->dy + frame * O, O, where);
}

/* Pushes (T, B, dim): zeros where a sequence has ended. */
static void push_steps(lua_State *L, const cbi_net *net, const double *values, size_t dim) {
    lua_createtable(L, (int)net->T, 0);
    for (size_t t = 0; t < net->T; t++) {
        lua_createtable(L, (int)net->B, 0);
        for (size_t b = 0; b < net->B; b++) {
            if (net->length[b] > t) {
                cbi_net_push_row(L, values + cbi_net_frame(net, t, b) * dim, dim);
            } else {
                lua_createtable(L, (int)dim, 0);
                for (size_t i = 0; i < dim; i++) {
                    lua_pushnumber(L, 0);
                    lua_rawseti(L, -2, (lua_Integer)i + 1);
                }
            }
            lua_rawseti(L, -2, (lua_Integer)b + 1);
        }
        lua_rawseti(L, -2, (lua_Integer)t + 1);
    }
}

/* `masks`: the seed from which they are drawn; without it they stand for their expectations. */
static void read_masks(lua_State *L, cbi_net *net, int options) {
    cb_err err;
    const int given = options && lua_getfield(L, 3, "masks") != LUA_TNIL;
    const size_t seed = given ? read_count(L, 0, LUA_MAXINTEGER, "net:forward: masks") : 0;
    if (cbi_net_masks(net, given, seed, &err) != CB_OK)
        cbi_net_refuse(L, &err, "forward");
    lua_settop(L, 3);
}

/* net:forward(x, { lengths =, initial =, start =, masks = }) -> y */
static int net_forward(lua_State *L) {
    static const char *const known[] = {"lengths", "initial", "start", "masks", NULL};
    cb_err err;
    cbi_net *net = cbi_net_check(L);
    const cb_input_kind kind = cb_stack_input_kind(net->stack);
    lua_settop(L, 3);
    const int options = cbi_net_check_options(L, 3, known, "forward");
    if (kind == CB_INPUT_NONE && !lua_isnil(L, 2))
        return cbi_net_mistake(L,
                               "net:forward: x: expected nil, for the net has no input, got a %s",
                               luaL_typename(L, 2));
    if (options)
        lua_getfield(L, 3, "lengths");
    else
        lua_pushnil(L);
    read_lengths(L, net, kind != CB_INPUT_NONE);
    lua_settop(L, 3);
    if (options && lua_getfield(L, 3, "start") != LUA_TNIL)
        read_starts(L, net);
    lua_settop(L, 3);
    if (kind != CB_INPUT_NONE)
        each_row(L, net, 2, "net:forward: x", kind == CB_INPUT_DENSE ? read_x : read_symbol);
    if (cbi_net_forget_initial(net, &err) != CB_OK)
        return cbi_net_refuse(L, &err, "forward");
    if (options && lua_getfield(L, 3, "initial") != LUA_TNIL)
        take_states(L, net, cbi_net_set_initial, "forward", "initial");
    lua_settop(L, 3);
    read_masks(L, net, options);
    if (cbi_net_forward(net, &err) != CB_OK)
        return cbi_net_refuse(L, &err, "forward");
    push_steps(L, net, net->y, cb_stack_output_dim(net->stack));
    return 1;
}

/* net:backward(dy, { final = }) -> dx, or nothing where the input has no gradient */
static int net_backward(lua_State *L) {
    static const char *const known[] = {"final", NULL};
    cb_err err;
    cbi_net *net = cbi_net_check(L);
    lua_settop(L, 3);
    if (!net->ran)
        return cbi_net_mistake(L, "net:backward: expected net:forward before");
    const int options = cbi_net_check_options(L, 3, known, "backward");
    if (!lua_istable(L, 2))
        return cbi_net_mistake(L, "net:backward: dy: expected nested lists (T, B, H), got %s",
                               luaL_typename(L, 2));
    lua_pushvalue(L, 2);
    cbi_net_check_list(L, net->T, "steps", "net:backward: dy");
    each_row(L, net, 2, "net:backward: dy", read_dy);
    /* After a mistake half of the final gradients may be taken: a new forward pass drops them. */
    net->ran = net->differentiated = 0;
    if (options && lua_getfield(L, 3, "final") != LUA_TNIL)
        take_states(L, net, cbi_net_set_final_gradient, "backward", "final");
    if (cbi_net_backward(net, &err) != CB_OK)
        return cbi_net_refuse(L, &err, "backward");
    net->ran = 1;
    if (cb_stack_input_kind(net->stack) != CB_INPUT_DENSE)
        return 0;
    push_steps(L, net, net->dx, cb_stack_input_dim(net->stack));
    return 1;
}

/* ---- the class ---- */

static int net_close(lua_State *L) {
    cbi_net_fini(luaL_checkudata(L, 1, CBI_SCRIPT_NET));
    return 0;
}

static int net_tostring(lua_State *L) {
    const cbi_net *net = luaL_checkudata(L, 1, CBI_SCRIPT_NET);
    if (net->stack == NULL) {
        lua_pushliteral(L, "cellbench.net (closed)");
        return 1;
    }
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    lua_pushfstring(L, "cellbench.net %s, input %I", net->engine ? "f32" : "f64",
                    (LUAI_UACINT)cb_stack_input_dim(net->stack));
    luaL_addvalue(&text);
    for (size_t l = 0; l < cb_stack_layer_count(net->stack); l++) {
        const cb_cell *cell = cb_stack_cell(net->stack, l);
        lua_pushfstring(L, "%s %s %I", strchr(net->label[l], '.') ? " +" : " ->",
                        cb_cell_name(cell), (LUAI_UACINT)cb_cell_output_dim(cell));
        luaL_addvalue(&text);
    }
    luaL_pushresult(&text);
    return 1;
}

static const luaL_Reg net_methods[] = {
    {"forward", net_forward},       {"backward", net_backward}, {"state", net_state},
    {"state_grad", net_state_grad}, {"close", net_close},       {NULL, NULL},
};

static const luaL_Reg net_meta[] = {
    {"__gc", net_close},
    {"__close", net_close},
    {"__tostring", net_tostring},
    {NULL, NULL},
};

/* Field of the table on top of the stack; a text is kept alive by the table. */
static const char *text_field(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    const char *text = luaL_checkstring(L, -1);
    lua_pop(L, 1);
    return text;
}

static double number_field(lua_State *L, int table, const char *name) {
    lua_getfield(L, table, name);
    const double value = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Reads { variational_input =, ..., zoneout = list of { state = or nil, rate = } }; what it points
 * to is left on the stack. */
static cb_regularisers read_regularisers(lua_State *L, int table) {
    cb_regularisers r = {
        .variational_input = number_field(L, table, "variational_input"),
        .variational_state = number_field(L, table, "variational_state"),
        .recurrent_dropout = number_field(L, table, "recurrent_dropout"),
    };
    lua_getfield(L, table, "zoneout");
    r.zoneout_count = lua_rawlen(L, -1);
    cb_zoneout *zones = lua_newuserdatauv(L, (r.zoneout_count + 1) * sizeof *zones, 0);
    for (size_t i = 0; i < r.zoneout_count; i++) {
        lua_rawgeti(L, -2, (lua_Integer)i + 1);
        lua_getfield(L, -1, "state");
        zones[i].state = lua_tostring(L, -1); /* the table keeps it */
        lua_pop(L, 1);
        zones[i].rate = number_field(L, lua_gettop(L), "rate");
        lua_pop(L, 1);
    }
    r.zoneout = zones;
    return r;
}

/* net(layers, kind, I, precision, regularisers) -> net, or nil and a message; layers is a list of
 * { name =, text =, settings =, hidden =, bidirectional =, residual = }. */
int cbi_script_make_net(lua_State *L) {
    static const char *const kinds[] = {"dense", "index", "none", NULL};
    static const char *const precisions[] = {"f32", "f64", NULL};
    cb_err err;
    luaL_checktype(L, 1, LUA_TTABLE);
    const size_t n = lua_rawlen(L, 1);
    const cb_input_kind kind = (cb_input_kind)luaL_checkoption(L, 2, NULL, kinds);
    const size_t I = (size_t)luaL_checkinteger(L, 3);
    const int use_reference = luaL_checkoption(L, 4, NULL, precisions);
    luaL_checkstack(L, (int)n * 2 + 16, "layers");
    cb_layer_spec *layers = lua_newuserdatauv(L, (n + 1) * sizeof *layers, 0);
    for (size_t l = 0; l < n; l++) {
        cb_layer_spec *layer = &layers[l];
        *layer = (cb_layer_spec){0};
        lua_rawgeti(L, 1, (lua_Integer)l + 1);
        layer->name = text_field(L, "name");
        layer->text = text_field(L, "text");
        lua_getfield(L, -1, "hidden");
        layer->hidden = (size_t)luaL_checkinteger(L, -1);
        lua_pop(L, 1);
        lua_getfield(L, -1, "bidirectional");
        layer->bidirectional = lua_toboolean(L, -1);
        lua_pop(L, 1);
        lua_getfield(L, -1, "residual");
        layer->residual = lua_toboolean(L, -1);
        lua_pop(L, 1);
        lua_getfield(L, -1, "settings");
        lua_replace(L, -2);
        layer->settings =
            cbi_script_read_overrides(L, lua_gettop(L), &layer->setting_count); /* on the stack */
        lua_remove(L, -3);
    }
    luaL_checktype(L, 5, LUA_TTABLE);
    const cb_regularisers regularisers = read_regularisers(L, 5);
    cbi_net *net = lua_newuserdatauv(L, sizeof *net, 0);
    *net = (cbi_net){0};
    if (luaL_newmetatable(L, CBI_SCRIPT_NET)) {
        luaL_setfuncs(L, net_meta, 0);
        luaL_newlib(L, net_methods);
        luaL_setfuncs(L, cbi_net_tensor_methods, 0);
        lua_setfield(L, -2, "__index");
    }
    lua_setmetatable(L, -2);
    if (cbi_net_init(net, layers, n, kind, I, &regularisers, use_reference, &err) == CB_OK &&
        cbi_net_draw(net, 1, NULL, 0, &err) == CB_OK)
        return 1;
    if (err.code == CB_ENOMEM)
        return cbi_script_raise(L, &err);
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}
