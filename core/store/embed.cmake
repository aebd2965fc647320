# SPDX-License-Identifier: MIT
# cmake -DSCHEMA=schema.sql -DVIEWS=views.sql -DTARGET=schema_text.c -P embed.cmake: both texts, one
# behind the other, as one C string, line by line, so that the .sql files are the one source.
function(read_c_string path out)
  file(READ "${path}" text)
  string(REPLACE "\\" "\\\\" text "${text}")
  string(REPLACE "\"" "\\\"" text "${text}")
  string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
  set(${out} "\"${text}\"" PARENT_SCOPE)
endfunction()
read_c_string("${SCHEMA}" schema)
read_c_string("${VIEWS}" views)
file(SIZE "${SCHEMA}" views_at)
file(WRITE "${TARGET}"
  "/* Made from schema.sql and views.sql; do not edit. */\n"
  "#include \"store/store_internal.h\"\n\n"
  "static const char text[] =\n    ${schema}\n    ${views};\n\n"
  "const char *const cbi_store_schema_text = text;\n"
  "const char *const cbi_store_views_text = text + ${views_at};\n")
