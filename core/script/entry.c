/* SPDX-License-Identifier: MIT */
/* What `require "cellbench"` calls in a Lua that is not ours. */
#include "script/script_internal.h"

CB_API int luaopen_cellbench(lua_State *L);

int luaopen_cellbench(lua_State *L) {
    luaL_checkversion(L);
    return cbi_script_open(L, cb_variants);
}
