/* SPDX-License-Identifier: MIT */
/*
 * Settings: the tables from which tasks and training check what a study says, put defaults in, and
 * print their documentation.
 */
#ifndef CELLBENCH_SETTING_H
#define CELLBENCH_SETTING_H

#ifdef __cplusplus
extern "C" {
#endif

/* One setting: a row of its documentation and of its check. A table of them ends with a row whose
 * name is NULL. */
typedef enum cb_setting_type {
    CB_SETTING_INT = 0,
    CB_SETTING_NUMBER = 1,
    CB_SETTING_BOOL = 2,
    CB_SETTING_TEXT = 3,
    CB_SETTING_TABLE = 4
} cb_setting_type;

typedef struct cb_setting_def {
    const char *name; /* [a-z][a-z0-9_]{0,31} */
    cb_setting_type type;
    const char *fallback; /* default, as JSON text; NULL: must be given */
    double low, high;     /* allowed range of numbers, both included; 0, 0: any */
    const char *choices;  /* allowed texts, separated by spaces; NULL: any */
    int identity;     /* part of the trial's identity (a file's path is not: its hash is). 2: only
                       * where it differs from the default, which stands for how it was before
                       * there was this setting */
    const char *help; /* one line, with its source where there is one */
} cb_setting_def;

#ifdef __cplusplus
}
#endif
#endif
