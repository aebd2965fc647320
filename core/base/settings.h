/* SPDX-License-Identifier: MIT */
/*
 * Tables of settings (cb_setting_def, cellbench/setting.h): one place that checks a JSON object
 * against such a table, puts defaults in, and names what is wrong.
 */
#ifndef CB_BASE_SETTINGS_H
#define CB_BASE_SETTINGS_H

#include "base/json.h"
#include "cellbench/setting.h"

/* *out: a new object with every key of the table. `where` starts the messages ("train", "task
 * 'music'"). Unknown keys are CB_EARG with the nearest name; so are wrong types (an integer is
 * accepted as a number, and stored as a real, -0.0 as 0.0; 3.0 as an integer) and values out of range. A
 * fallback of "null" stands for "not set", and null is then accepted. */
CB_MUST_USE cb_status cbi_settings_resolve(json_t **out, const cb_setting_def *table,
                                           const json_t *given, const char *where, cb_err *err);
/* The part of a resolved object that makes its identity (cb_setting_def.identity). */
CB_MUST_USE cb_status cbi_settings_identity(json_t **out, const cb_setting_def *table,
                                            const json_t *resolved, cb_err *err);

#endif
