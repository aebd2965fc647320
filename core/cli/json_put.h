/* SPDX-License-Identifier: MIT */
#ifndef CB_CLI_JSON_PUT_H
#define CB_CLI_JSON_PUT_H

#include "base/json.h"

/* Writes a value to stdout, indented, numbers in full, as printable ASCII: what else a name of a
 * database holds is escaped, and so may go to a terminal. -1 if it could not be done. */
int cbi_cli_json_put(const json_t *value);

#endif
