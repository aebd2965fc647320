/* SPDX-License-Identifier: MIT */
/*
 * Status codes and error texts: how every fallible function of the library reports.
 *
 * A fallible function returns cb_status and nothing else; results leave by out-parameters, which
 * are NULL or 0 after a failure. The text goes into a cb_err that the caller owns (on the stack);
 * it says what was expected, what came, and where. Passing NULL for it is allowed everywhere.
 */
#ifndef CELLBENCH_STATUS_H
#define CELLBENCH_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#define CB_API __attribute__((visibility("default")))
#define CB_MUST_USE __attribute__((warn_unused_result))
#define CB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Append-only: the numbers are stored in databases and pinned by a test. */
typedef enum cb_status {
    CB_OK = 0,
    CB_ENOMEM = 1,    /* an allocation failed */
    CB_ESHAPE = 2,    /* dimensions disagree, or a size overflows */
    CB_EARG = 3,      /* an argument or setting is unknown, of the wrong type, or out of range */
    CB_EIO = 4,       /* the operating system refused: file missing, disk full, permission */
    CB_EPARSE = 5,    /* a text (cell, JSON, data file) does not follow its grammar */
    CB_EDATA = 6,     /* a file was read, but its content is not usable (damaged, NaN, empty) */
    CB_EBUSY = 7,     /* locked by another process for longer than the time allowed */
    CB_ESTORE = 8,    /* not a database of ours, of a newer version, or SQLite reported an error */
    CB_ECANCEL = 9,   /* stopped on request */
    CB_EINTERNAL = 10 /* a promise of our own was broken: please report it */
} cb_status;

enum { CB_ERR_TEXT = 2048 };

typedef struct cb_err {
    cb_status code;
    char text[CB_ERR_TEXT]; /* one or more lines, no final newline; always terminated */
} cb_err;

/* The constant's name, e.g. "CB_ESHAPE"; "unknown status" for anything else. Never NULL. */
CB_API const char *cb_status_name(cb_status status);

/* Writes code and text (truncated to fit) into err, if err is not NULL; returns code. */
CB_API cb_status cb_fail(cb_err *err, cb_status code, const char *format, ...) CB_PRINTF(3, 4);

/* Puts a prefix before the text that err already holds ("layer 2: ..."); returns err->code, or
 * code when err is NULL. */
CB_API cb_status cb_fail_prefix(cb_err *err, cb_status code, const char *format, ...)
    CB_PRINTF(3, 4);

#ifdef __cplusplus
}
#endif
#endif
