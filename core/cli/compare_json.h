/* SPDX-License-Identifier: MIT */
/* A comparison as JSON: all of it, numbers in full, null for what is not known. */
#ifndef CB_CLI_COMPARE_JSON_H
#define CB_CLI_COMPARE_JSON_H

#include "cellbench/compare.h"

/* To stdout. */
CB_MUST_USE cb_status cbi_cli_compare_json(const cb_compare *compare, cb_err *err);

#endif
