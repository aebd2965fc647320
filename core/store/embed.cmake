# SPDX-License-Identifier: MIT
# cmake -DSOURCE=schema.sql -DTARGET=schema_text.c -P embed.cmake: the schema as a C string, line by
# line, so that the .sql file is the one source.
file(READ "${SOURCE}" text)
string(REPLACE "\\" "\\\\" text "${text}")
string(REPLACE "\"" "\\\"" text "${text}")
string(REPLACE "\n" "\\n\"\n    \"" text "${text}")
file(WRITE "${TARGET}"
  "/* Made from schema.sql; do not edit. */\n"
  "#include \"store/store_internal.h\"\n\n"
  "const char *const cbi_store_schema_text =\n    \"${text}\";\n")
