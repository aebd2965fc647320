/* SPDX-License-Identifier: MIT */
/* JSON, by Jansson; this header is the only one that includes jansson.h. */
#ifndef CB_BASE_JSON_H
#define CB_BASE_JSON_H

#include <jansson.h>

#include "cellbench/status.h"

/* Parses a whole text; duplicate keys and trailing bytes are errors. CB_EPARSE: "<what>: line 3,
 * column 7: ...". Nesting deeper than 200 is refused. Caller: json_decref. */
CB_MUST_USE cb_status cbi_json_parse(json_t **out, const char *text, size_t length,
                                     const char *what, cb_err *err);
/* Canonical text: keys sorted by bytes, no spaces, reals as %.17g (with ".0" when they would look
 * like integers), -0.0 written as 0.0, UTF-8 unescaped. Caller: cbi_free. */
CB_MUST_USE cb_status cbi_json_canonical(char **out, const json_t *value, cb_err *err);

#endif
