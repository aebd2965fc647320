# SPDX-License-Identifier: MIT
# BLIS::BLIS. Debian has no blis.pc, and blis.h carries no version: the library's own bytes do.
include(CellbenchFind)
cellbench_find(BLIS::BLIS PACKAGE libblis-dev HEADER blis.h LIBRARY blis SUFFIXES blis
  VERSION_IN BINARY REGEX "^([0-9]+[.][0-9]+[.][0-9]+)$")
