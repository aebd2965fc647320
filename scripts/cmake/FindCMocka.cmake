# SPDX-License-Identifier: MIT
# CMocka::CMocka, for the tests.
include(CellbenchFind)
cellbench_find(CMocka::CMocka PACKAGE libcmocka-dev HEADER cmocka.h LIBRARY cmocka
  VERSION_IN cmocka.pc REGEX "^Version: *([0-9.]+)")
