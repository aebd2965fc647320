# SPDX-License-Identifier: MIT
# LibMD::LibMD (SHA-256).
include(CellbenchFind)
cellbench_find(LibMD::LibMD PACKAGE libmd-dev HEADER sha2.h LIBRARY md
  VERSION_IN libmd.pc REGEX "^Version: *([0-9.]+)")
