# SPDX-License-Identifier: MIT
# Writes OUT, a C source with the bytes of FILES (separated by ","): report.css becomes
# cbi_page_report_css, terminated by a zero.
string(REPLACE "," ";" FILES "${FILES}")
set(text "/* Made by embed_page.cmake. */\n#include \"report/page_text.h\"\n")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  string(REPLACE "." "_" name "${name}")
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "((0x..,){16})" "\\1\n" bytes "${bytes}")
  string(APPEND text "const char cbi_page_${name}[] = {\n${bytes}0};\n")
endforeach()
file(WRITE "${OUT}" "${text}")
