# SPDX-License-Identifier: MIT
# ZLIBDeb::ZLIB: CMake has a module for zlib, but not one that names the package.
include(CellbenchFind)
cellbench_find(ZLIBDeb::ZLIB PACKAGE zlib1g-dev HEADER zlib.h LIBRARY z
  VERSION_IN zlib.h REGEX "define ZLIB_VERSION \"([0-9.]+)\"")
