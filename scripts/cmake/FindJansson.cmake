# SPDX-License-Identifier: MIT
# Jansson::Jansson.
include(CellbenchFind)
cellbench_find(Jansson::Jansson PACKAGE libjansson-dev HEADER jansson.h LIBRARY jansson
  VERSION_IN jansson.h REGEX "define JANSSON_VERSION \"([0-9.]+)\"")
