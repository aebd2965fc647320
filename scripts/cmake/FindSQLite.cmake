# SPDX-License-Identifier: MIT
# SQLite::SQLite.
include(CellbenchFind)
cellbench_find(SQLite::SQLite PACKAGE libsqlite3-dev HEADER sqlite3.h LIBRARY sqlite3
  VERSION_IN sqlite3.h REGEX "define SQLITE_VERSION +\"([0-9.]+)\"")
