# SPDX-License-Identifier: MIT
# Writes OUT, a header with the bytes of each of the Lua FILES (separated by ",") in this order.
string(REPLACE "," ";" FILES "${FILES}")
set(arrays "")
set(rows "")
foreach(file IN LISTS FILES)
  get_filename_component(stem "${file}" NAME_WE)
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "((0x..,){16})" "\\1\n" bytes "${bytes}")
  string(APPEND arrays "static const unsigned char ${stem}_lua[] = {\n${bytes}0};\n")
  string(APPEND rows
    "    {\"=cellbench/${stem}.lua\", ${stem}_lua, sizeof ${stem}_lua - 1},\n")
endforeach()
file(WRITE "${OUT}" "/* Made by embed_lua.cmake. */\n${arrays}static const struct {\n    const char *name;\n\
    const unsigned char *data;\n    size_t length;\n} script_chunks[] = {\n${rows}\
    {NULL, NULL, 0},\n};\n")
