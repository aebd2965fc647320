# SPDX-License-Identifier: MIT
# Random123::Random123: headers only, and without a version in them.
include(CellbenchFind)
cellbench_find(Random123::Random123 PACKAGE librandom123-dev HEADER Random123/philox.h)
