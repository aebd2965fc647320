/* SPDX-License-Identifier: MIT */
/* Between net.c and net_tensor.c: nets as userdata, and the lists of numbers that go in and out. */
#ifndef CB_SCRIPT_NET_LUA_H
#define CB_SCRIPT_NET_LUA_H

#include <lua.h>
#include <lauxlib.h>

#include "script/net_run.h"

/* The metatable's name. */
#define CBI_SCRIPT_NET "cellbench.net"

/* Argument 1, an open net; raises if it is not. */
cbi_net *cbi_net_check(lua_State *L);
/* Raises a mistake of the caller's, with its place; in the format what lua_pushvfstring knows. */
int cbi_net_mistake(lua_State *L, const char *format, ...);
/* Raises err's text as the mistake of a call of net:`where`. */
int cbi_net_refuse(lua_State *L, const cb_err *err, const char *where);
/* The value on top of the stack must be a list of n of `what`. */
void cbi_net_check_list(lua_State *L, size_t n, const char *what, const char *where);
/* Reads the list of n finite numbers on top of the stack, which stays there. */
void cbi_net_read_row(lua_State *L, const cbi_net *net, double *to, size_t n, const char *where);
void cbi_net_push_row(lua_State *L, const double *from, size_t n);
/* 1 if there is a table of options at `index`, whose keys are all among `known`; 0 if nothing is
 * there. */
int cbi_net_check_options(lua_State *L, int index, const char *const *known, const char *where);

/* Methods that read and write tensors. */
extern const luaL_Reg cbi_net_tensor_methods[];

#endif
