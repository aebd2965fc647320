/* SPDX-License-Identifier: MIT */
/*
 * Options by table (getopt_long underneath), help texts made from the same tables, and messages.
 */
#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

/* ---- messages ---- */

static void say(const char *text) {
    char *safe = cbi_cli_printable(text, strlen(text), 1);
    fprintf(stderr, "cellbench: %s\n", safe != NULL ? safe : "out of memory");
    cbi_free(safe);
}

int cbi_cli_fail(const cb_err *err) {
    fflush(stdout);
    say(err->text);
    return CBI_EXIT_FAILURE;
}

int cbi_cli_failf(const char *format, ...) {
    cb_err err;
    va_list list;
    va_start(list, format);
    vsnprintf(err.text, sizeof err.text, format, list);
    va_end(list);
    return cbi_cli_fail(&err);
}

int cbi_cli_usage(const cbi_cli_command *command, const char *format, ...) {
    char text[CB_ERR_TEXT];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    fflush(stdout);
    say(text);
    fprintf(stderr, "Help: cellbench help%s%s\n", command != NULL ? " " : "",
            command != NULL ? command->name : "");
    return CBI_EXIT_USAGE;
}

/* ---- help ---- */

static void help_row(const cbi_cli_option *option) {
    char left[64];
    char letter[8] = "    ";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, option->name,
             option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
    printf("  %-20s  %s\n", left, option->help);
}

static const cbi_cli_option help_option = {"help", 'h', CBI_CLI_FLAG,     NULL,
                                           0,      0,   "print this text"};

void cbi_cli_help(const cbi_cli_command *command) {
    printf("cellbench %s: %s\n\n", command->name, command->summary);
    printf("Usage: cellbench %s%s%s\n\n%s\nOptions:\n", command->name,
           *command->arguments != '\0' ? " " : "", command->arguments, command->text);
    for (const cbi_cli_option *row = command->options; row->name != NULL; row++)
        help_row(row);
    help_row(&help_option);
    if (command->more != NULL)
        command->more();
    printf("\nExample:\n%s", command->example);
}

/* ---- parsing ---- */

static size_t option_count(const cbi_cli_command *command) {
    size_t n = 0;
    while (command->options[n].name != NULL)
        n++;
    assert(n < CBI_CLI_OPTIONS);
    return n;
}

static int unknown_option(const cbi_cli_command *command, const char *given) {
    char name[64];
    cbi_near near;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="), given + 2);
    cbi_near_init(&near, name);
    for (const cbi_cli_option *row = command->options; row->name != NULL; row++)
        cbi_near_offer(&near, row->name);
    cbi_near_offer(&near, help_option.name);
    if (near.best == NULL)
        return cbi_cli_usage(command, "%s: unknown option '--%s'", command->name, name);
    return cbi_cli_usage(command, "%s: unknown option '--%s', did you mean '--%s'?", command->name,
                         name, near.best);
}

/* After getopt_long returned ':' or '?': says what was wrong with the option. */
static int option_error(const cbi_cli_command *command, int code, char **argv) {
    const char *given = argv[optind - 1];
    if (code == ':')
        return cbi_cli_usage(command, "%s: option '%s' needs a value", command->name, given);
    if (optopt != 0 && strncmp(given, "--", 2) != 0)
        return cbi_cli_usage(command, "%s: unknown option '-%c'", command->name, optopt);
    if (optopt != 0)
        return cbi_cli_usage(command, "%s: option '%.*s' takes no value", command->name,
                             (int)strcspn(given, "="), given);
    size_t length = strcspn(given + 2, "=");
    for (const cbi_cli_option *row = command->options; row->name != NULL; row++)
        if (length > 0 && strncmp(row->name, given + 2, length) == 0)
            return cbi_cli_usage(command, "%s: option '%s' may mean several: give it in full",
                                 command->name, given);
    return unknown_option(command, given);
}

static int read_number(const cbi_cli_option *row, const char *text, uint64_t *out) {
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || value < row->low ||
        value > row->high)
        return 0;
    *out = value;
    return 1;
}

static int take_option(cbi_cli_args *args, size_t i, const char *text) {
    const cbi_cli_option *row = &args->command->options[i];
    uint64_t number;
    args->value[i] = text != NULL ? text : "";
    if (row->kind == CBI_CLI_NUMBER && !read_number(row, text, &number))
        return cbi_cli_usage(args->command,
                             "%s: --%s: expected a whole number from %" PRIu64 " to %" PRIu64
                             ", got '%s'",
                             args->command->name, row->name, row->low, row->high, text);
    if (row->kind == CBI_CLI_MANY)
        args->many[args->many_count++] = text;
    return 0;
}

/* A table has one format. */
static int check_formats(const cbi_cli_args *args) {
    int formats = 0;
    for (size_t i = 0; args->command->options[i].name != NULL; i++)
        if (strcmp(args->command->options[i].name, "csv") == 0 ||
            strcmp(args->command->options[i].name, "json") == 0)
            formats += args->value[i] != NULL;
    return formats > 1 ? cbi_cli_usage(args->command, "%s: --csv and --json exclude each other",
                                       args->command->name)
                       : 0;
}

static int check_count(const cbi_cli_args *args) {
    const cbi_cli_command *command = args->command;
    if (args->count < command->least)
        return cbi_cli_usage(command, "%s: something is missing: cellbench %s %s", command->name,
                             command->name, command->arguments);
    for (size_t i = command->most; i < args->count; i++)
        if (!command->assignments || strchr(args->rest[i], '=') == NULL)
            return cbi_cli_usage(command, "%s: unexpected argument '%s'", command->name,
                                 args->rest[i]);
    return 0;
}

int cbi_cli_parse(cbi_cli_args *args, const cbi_cli_command *command, int argc, char **argv) {
    enum { FIRST = 1000, HELP = FIRST + CBI_CLI_OPTIONS };
    struct option rows[CBI_CLI_OPTIONS + 2];
    char letters[2 * CBI_CLI_OPTIONS + 8];
    const size_t n = option_count(command);
    size_t used = 0;
    int code, status;

    memset(rows, 0, sizeof rows);
    if (command->verbatim)
        letters[used++] = '+'; /* stop at the first argument */
    letters[used++] = ':';
    letters[used++] = 'h';
    for (size_t i = 0; i < n; i++) {
        const cbi_cli_option *row = &command->options[i];
        int takes = row->kind == CBI_CLI_FLAG ? no_argument : required_argument;
        rows[i] = (struct option){row->name, takes, NULL, FIRST + (int)i};
        if (row->letter != 0) {
            letters[used++] = row->letter;
            if (takes == required_argument)
                letters[used++] = ':';
        }
    }
    rows[n] = (struct option){help_option.name, no_argument, NULL, HELP};
    letters[used] = '\0';

    args->command = command;
    args->many = cbi_calloc((size_t)argc + 1, sizeof *args->many);
    if (args->many == NULL)
        return cbi_cli_failf("out of memory");
    opterr = 0;
    optind = 1;
    while ((code = getopt_long(argc, argv, letters, rows, NULL)) != -1) {
        if (code == HELP || code == 'h') {
            cbi_cli_help(command);
            return -1;
        }
        if (code == ':' || code == '?')
            return option_error(command, code, argv);
        size_t i = (size_t)(code - FIRST);
        if (code < FIRST)
            for (i = 0; command->options[i].letter != code;)
                i++;
        if ((status = take_option(args, i, optarg)) != 0)
            return status;
    }
    args->rest = argv + optind;
    args->count = (size_t)(argc - optind);
    return (status = check_formats(args)) != 0 ? status : check_count(args);
}

void cbi_cli_args_fini(cbi_cli_args *args) {
    cbi_free(args->many);
    args->many = NULL;
}

/* ---- reading ---- */

const char *cbi_cli_value(const cbi_cli_args *args, const char *name) {
    for (size_t i = 0; args->command->options[i].name != NULL; i++)
        if (strcmp(args->command->options[i].name, name) == 0)
            return args->value[i];
    assert(!"an option that is not in the command's table");
    return NULL;
}

int cbi_cli_flag(const cbi_cli_args *args, const char *name) {
    return cbi_cli_value(args, name) != NULL;
}

uint64_t cbi_cli_number(const cbi_cli_args *args, const char *name, uint64_t fallback) {
    const char *text = cbi_cli_value(args, name);
    return text != NULL ? strtoull(text, NULL, 10) : fallback;
}
