/* SPDX-License-Identifier: MIT */
/*
 * The command `cellbench`: what its files share. A command is one file cmd_*.c with one
 * cbi_cli_command, named in the table of main.c; help, option parsing and errors come from there.
 *
 * Exit status: 0 success; 1 bad input or a failure; 2 wrong usage; 130 stopped by Ctrl-C.
 */
#ifndef CB_CLI_H
#define CB_CLI_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cellbench/train.h"
#include "cellbench/cell.h"
#include "cellbench/setting.h"
#include "cellbench/status.h"
#include "cellbench/store.h"

enum { CBI_EXIT_OK = 0, CBI_EXIT_FAILURE = 1, CBI_EXIT_USAGE = 2, CBI_EXIT_INTERRUPT = 130 };

/* ---- options ---- */

typedef enum cbi_cli_kind {
    CBI_CLI_FLAG = 0,
    CBI_CLI_NUMBER = 1, /* a whole number, low..high */
    CBI_CLI_TEXT = 2,
    CBI_CLI_MANY = 3 /* a text that may be given several times; at most one such row a command */
} cbi_cli_kind;

/* One row of a command's table of options, which ends with a row without a name. */
typedef struct cbi_cli_option {
    const char *name; /* without "--" */
    char letter;      /* short form, or 0 */
    cbi_cli_kind kind;
    const char *value; /* the word for its value in the help: "N", "FILE"; NULL for a flag */
    uint64_t low, high;
    const char *help; /* one line */
} cbi_cli_option;

typedef struct cbi_cli_args cbi_cli_args;

typedef struct cbi_cli_command {
    const char *name;
    const char *summary;   /* one line of the overview */
    const char *arguments; /* "STUDY.lua [options]" */
    const char *text;      /* what a person must know to use it; lines of at most 80 columns */
    const char *example;   /* one or more command lines, each ended by a newline */
    const cbi_cli_option *options;
    size_t least, most; /* arguments besides options */
    int assignments;    /* behind these, arguments NAME=VALUE may follow */
    int verbatim;       /* what follows the first argument is not read as options */
    int hidden;         /* not in the overview: not for people */
    int (*run)(const cbi_cli_args *args);
    void (*more)(void); /* prints what the help holds besides; may be NULL */
} cbi_cli_command;

enum { CBI_CLI_OPTIONS = 20 };

struct cbi_cli_args {
    const cbi_cli_command *command;
    const char *value[CBI_CLI_OPTIONS]; /* by row of the table; "" for a flag; NULL: not given */
    const char **many;                  /* the values of the row of kind CBI_CLI_MANY */
    size_t many_count;
    char **rest; /* the arguments besides options, ended by NULL */
    size_t count;
    const char *line; /* the whole command line, for the records */
};

/* Reads argv[1 ...] (argv[0] is the command's name). Returns 0 with *args filled (release with
 * cbi_cli_args_fini), or -1 after --help was served, or the exit status after an error was told. */
int cbi_cli_parse(cbi_cli_args *args, const cbi_cli_command *command, int argc, char **argv);
void cbi_cli_args_fini(cbi_cli_args *args);
int cbi_cli_flag(const cbi_cli_args *args, const char *name);
const char *cbi_cli_value(const cbi_cli_args *args, const char *name); /* NULL: not given */
uint64_t cbi_cli_number(const cbi_cli_args *args, const char *name, uint64_t fallback);
void cbi_cli_help(const cbi_cli_command *command);

/* ---- messages ---- */

/* "cellbench: <text>" on stderr, control characters escaped. Each returns the exit status. */
int cbi_cli_fail(const cb_err *err);
int cbi_cli_failf(const char *format, ...) CB_PRINTF(1, 2);
/* Wrong usage: also says where help is. command may be NULL. */
int cbi_cli_usage(const cbi_cli_command *command, const char *format, ...) CB_PRINTF(2, 3);

/* ---- texts for a terminal ---- */

/* Characters without width, and those that turn the direction of writing or break lines: they can
 * make a text look like another one. */
int cbi_cli_is_tricky(unsigned code);
/* A copy of n bytes fit for a terminal: control characters, characters that change the direction of
 * writing, and bytes that are not UTF-8 are written as \x1b or \u202e; newlines are kept if
 * `newlines`. NULL when memory is out. Caller: cb_free. */
char *cbi_cli_printable(const char *text, size_t n, int newlines);
/* Writes a text in that form, in one line. */
void cbi_cli_put(FILE *file, const char *text);
/* Columns that a printable text takes. */
size_t cbi_cli_columns(const char *text);
/* Cuts a printable text to at most `columns`. */
void cbi_cli_cut(char *text, size_t columns);
/* Prints a printable text broken at spaces into lines of `width` columns; all but the first begin
 * with `indent` spaces. */
void cbi_cli_wrapped(const char *text, size_t indent, size_t width);
/* "source     Cho et al. 2014, ...", broken to the width of the terminal. NULL is printed as "-".
 */
void cbi_cli_labelled(const char *label, const char *text);
/* Of the terminal behind the descriptor; 80 by 24 if it does not tell. */
void cbi_cli_terminal_size(int descriptor, size_t *columns, size_t *lines);
/* Of a clock that only goes forward. */
double cbi_cli_seconds(void);
/* "850 ms", "12 s", "3 min 20 s", "2 h 05 min", "3 d 4 h". buffer holds 32. */
const char *cbi_cli_duration(char *buffer, double seconds);
/* 1234567 -> "1,234,567". buffer holds 32. */
const char *cbi_cli_grouped(char *buffer, uint64_t value);
/* 1234567 -> "1.23 M", with the unit behind it: "1.23 MB". buffer holds 48. */
const char *cbi_cli_scaled(char *buffer, double value, const char *unit);

/* ---- tables: text, CSV (RFC 4180) or JSON (an array of objects) ---- */

typedef enum cbi_cli_format { CBI_CLI_PLAIN = 0, CBI_CLI_CSV = 1, CBI_CLI_JSON = 2 } cbi_cli_format;

typedef struct cbi_cli_cell {
    cb_value_type type;
    int64_t integer;
    double real;
    char *text; /* of `length` bytes, any of which may be 0 */
    size_t length;
} cbi_cli_cell;

/* Rows are collected, then printed at once. Set columns, names and format; the rest is 0. */
typedef struct cbi_cli_table {
    cbi_cli_format format;
    size_t columns;
    const char *const *names; /* borrowed until it is printed */
    cbi_cli_cell *cells;
    size_t count, capacity;
    /* Plain: columns of texts that are the same in all rows stand above, once; except the one of
     * this name. NULL: none does. */
    const char *fold_except;
    /* Plain: rows stand in groups, under the text of the column of this name. NULL: they do not. */
    const char *group_by;
    int failed; /* memory ran out while a cell was added */
} cbi_cli_table;

/* The format asked for by --csv or --json. */
cbi_cli_format cbi_cli_format_of(const cbi_cli_args *args);
/* The rows for tables of options. */
#define CBI_CLI_FORMAT_OPTIONS                                                                     \
    {"csv", 0, CBI_CLI_FLAG, NULL, 0, 0, "print as CSV (RFC 4180), numbers in full"}, {            \
        "json", 0, CBI_CLI_FLAG, NULL, 0, 0, "print as a JSON array of objects, numbers in full"   \
    }
/* Cells are added row by row, from left to right. */
void cbi_cli_table_text(cbi_cli_table *table, const char *text); /* NULL: no value */
void cbi_cli_table_int(cbi_cli_table *table, int64_t value);
void cbi_cli_table_real(cbi_cli_table *table, double value); /* not finite: no value */
void cbi_cli_table_value(cbi_cli_table *table, const cb_value *value);
/* Writes all rows to stdout. */
CB_MUST_USE cb_status cbi_cli_table_print(const cbi_cli_table *table, cb_err *err);
void cbi_cli_table_fini(cbi_cli_table *table);

/* Reads all rows of a query into a table and prints it. */
CB_MUST_USE cb_status cbi_cli_print_query(cb_store *store, const char *sql, const cb_value *values,
                                          size_t n, cbi_cli_format format, cb_err *err);
/* The leaderboard of one study, or of all (NULL). */
CB_MUST_USE cb_status cbi_cli_print_leaderboard(cb_store *store, const char *study,
                                                cbi_cli_format format, cb_err *err);

/* CB_EARG, with the nearest, unless the first column of the query has the text `name`; `what` is
 * the word for it in the message. */
CB_MUST_USE cb_status cbi_cli_check_name(cb_store *store, const char *what, const char *name,
                                         const char *sql, const cb_value *values, size_t n,
                                         cb_err *err);
CB_MUST_USE cb_status cbi_cli_check_study(cb_store *store, const char *study, cb_err *err);
/* Of the database's schema. */
CB_MUST_USE cb_status cbi_cli_version(cb_store *store, int64_t *version, cb_err *err);
/* CB_ESTORE if the schema is older: a database that is only read is not migrated. */
CB_MUST_USE cb_status cbi_cli_need_version(cb_store *store, int64_t version, cb_err *err);
cb_value cbi_cli_text_value(const char *text);             /* to bind; borrowed */
double cbi_cli_real(const cb_query *query, size_t column); /* NaN: no number */
/* A copy, "" for no text; NULL when memory is out. Caller: cbi_free. */
char *cbi_cli_text(const cb_query *query, size_t column);

/* One text of n bytes as a field of CSV, quoted where it must be. */
void cbi_cli_csv_text(FILE *file, const char *text, size_t n);
/* A number with all its digits; a text as above; nothing for none. */
void cbi_cli_csv_value(FILE *file, const cb_value *value);

/* A table of settings with its defaults and help. */
CB_MUST_USE cb_status cbi_cli_print_settings(const cb_setting_def *settings, cbi_cli_format format,
                                             cb_err *err);

/* ---- cells ---- */

/* The cell that a text names as its lowest layer ("lowest NAME"), because it reads values of the
 * layer below; *out is NULL if it names none. */
CB_MUST_USE cb_status cbi_cli_lowest(const cb_cell_def **out, const cb_cell_def *def, cb_err *err);

/* ---- the commands ---- */

extern const cbi_cli_command cbi_cmd_cells, cbi_cmd_check, cbi_cmd_task, cbi_cmd_plan, cbi_cmd_run,
    cbi_cmd_status, cbi_cmd_table, cbi_cmd_compare, cbi_cmd_importance, cbi_cmd_report,
    cbi_cmd_verify, cbi_cmd_export, cbi_cmd_merge, cbi_cmd_lua, cbi_cmd_worker, cbi_cmd_bench;

/* ---- kept_weights.c ---- */

typedef enum cbi_cli_weights {
    CBI_CLI_WEIGHTS_NONE = 0, /* none were kept, or the trial diverged */
    CBI_CLI_WEIGHTS_EQUAL,
    CBI_CLI_WEIGHTS_OTHER,   /* whole, but not those of the result */
    CBI_CLI_WEIGHTS_CHANGED, /* not the bytes that were written */
    CBI_CLI_WEIGHTS_MISSING
} cbi_cli_weights;

/* The file that a database names, with the hash that it stores, against what the trial gives now.
 */
CB_MUST_USE cb_status cbi_cli_weights_check(const char *database, const char *name,
                                            const char *sha256, const cb_trial *trial,
                                            const cb_trial_result *result, cbi_cli_weights *out,
                                            cb_err *err);
void cbi_cli_weights_tell(cbi_cli_weights what, const char *name);

#endif
