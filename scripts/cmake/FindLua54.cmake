# SPDX-License-Identifier: MIT
# Lua54::Lua, and Lua54::Headers for the module, which must not bring a second copy of Lua into
# the interpreter that loads it.
include(CellbenchFind)
cellbench_find(Lua54::Lua PACKAGE liblua5.4-dev HEADER lua.h LIBRARY lua5.4 SUFFIXES lua5.4
  VERSION_IN lua.h
  REGEX "LUA_VERSION_MAJOR[ \t]+\"([0-9]+)\"" "LUA_VERSION_MINOR[ \t]+\"([0-9]+)\""
        "LUA_VERSION_RELEASE[ \t]+\"([0-9]+)\"")
if(Lua54_FOUND AND NOT TARGET Lua54::Headers)
  add_library(Lua54::Headers INTERFACE IMPORTED)
  set_target_properties(Lua54::Headers PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${Lua54_INCLUDE_DIR}")
endif()
