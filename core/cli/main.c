/* SPDX-License-Identifier: MIT */
/*
 * The command `cellbench`: the table of commands, the overview, and the way to the one asked for.
 */
#include "cli/cli.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cellbench/sweep.h"

static int run_help(const cbi_cli_args *args);

static const cbi_cli_option no_options[] = {{0}};

static const cbi_cli_command help_command = {
    .name = "help",
    .summary = "what the commands do and how they are used",
    .arguments = "[COMMAND]",
    .text = "Without a command: the list of commands.\n",
    .example = "  cellbench help run\n",
    .options = no_options,
    .most = 1,
    .run = run_help,
};

static const cbi_cli_command *const commands[] = {
    &cbi_cmd_cells,
    &cbi_cmd_check,
    &cbi_cmd_bench,
    &cbi_cmd_task,
    &cbi_cmd_plan,
    &cbi_cmd_run,
    &cbi_cmd_status,
    &cbi_cmd_table,
    &cbi_cmd_compare,
    &cbi_cmd_importance,
    &cbi_cmd_report,
    &cbi_cmd_verify,
    &cbi_cmd_export,
    &cbi_cmd_merge,
    &cbi_cmd_lua,
    &cbi_cmd_worker,
    &help_command,
    NULL,
};

static void overview(FILE *out) {
    fputs("cellbench compares recurrent cells: a cell is its equations, a study is a Lua file,\n"
          "every result is a row in an SQLite file.\n\nUsage: cellbench COMMAND [ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; commands[i] != NULL; i++)
        if (!commands[i]->hidden)
            fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n  cellbench COMMAND --help    options and an example\n"
          "  cellbench --version         what this program was built from\n",
          out);
}

static const cbi_cli_command *find(const char *name) {
    for (size_t i = 0; commands[i] != NULL; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown(const char *what, const char *name) {
    cbi_near near;
    cbi_near_init(&near, name);
    for (size_t i = 0; commands[i] != NULL; i++)
        if (!commands[i]->hidden)
            cbi_near_offer(&near, commands[i]->name);
    return cbi_cli_usage(NULL, "unknown %s '%s'%s", what, name, cbi_near_text(&near));
}

static int run_help(const cbi_cli_args *args) {
    if (args->count == 0) {
        overview(stdout);
        return CBI_EXIT_OK;
    }
    const cbi_cli_command *command = find(args->rest[0]);
    if (command == NULL)
        return unknown("command", args->rest[0]);
    cbi_cli_help(command);
    return CBI_EXIT_OK;
}

static int version(void) {
    cb_run_info info;
    memset(&info, 0, sizeof info);
    cb_run_info_fill(&info);
    printf("cellbench %s\n", info.version);
    printf("commit    %s\n", *info.git_commit != '\0' ? info.git_commit : "unknown");
    printf("compiler  %s\n", info.compiler);
    printf("flags     %s\n", info.flags);
    printf("kernel    %s (machine: %s, %s)\n", info.kernel, info.cpu, info.instruction_set);
    printf("numerics  %lld\n", (long long)info.numerics);
    printf("BLIS      %s\n", info.blis_version);
    printf("built on  %s\n", CELLBENCH_LIBRARIES);
    return CBI_EXIT_OK;
}

/* The arguments as a line that a shell would read the same way: for the records. */
static char *command_line(int argc, char **argv) {
    cbi_text line = {0};
    char *out = NULL;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        int plain = *word != '\0' && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUV"
                                                  "WXYZ0123456789_./=,:@%+-") == strlen(word);
        cbi_text_add(&line, i > 0 ? " " : "");
        cbi_text_add(&line, plain ? "" : "'");
        for (; *word != '\0'; word++)
            cbi_text_add_n(&line, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
        cbi_text_add(&line, plain ? "" : "'");
    }
    if (cbi_text_take(&line, &out, NULL) != CB_OK)
        out = NULL;
    cbi_text_fini(&line);
    return out;
}

static int run_command(const cbi_cli_command *command, int argc, char **argv, const char *line) {
    cbi_cli_args args;
    memset(&args, 0, sizeof args);
    args.line = line;
    int status = cbi_cli_parse(&args, command, argc, argv);
    if (status == 0)
        status = command->run(&args);
    else if (status < 0)
        status = CBI_EXIT_OK;
    cbi_cli_args_fini(&args);
    return status;
}

int main(int argc, char **argv) {
    int status = CBI_EXIT_USAGE;
    /* A file that may not grow (ulimit -f) is an error to tell, like a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    /* Widths of characters, and what is a character at all. Numbers keep the C locale's point. */
    setlocale(LC_CTYPE, "C.UTF-8");
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        overview(stderr);
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        status = version();
    } else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        overview(stdout);
        status = CBI_EXIT_OK;
    } else if (find(name) == NULL) {
        status = unknown(*name == '-' ? "option" : "command", name);
    } else {
        char *line = command_line(argc, argv);
        status = line != NULL ? run_command(find(name), argc - 1, argv + 1, line)
                              : cbi_cli_failf("out of memory");
        cbi_free(line);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == CBI_EXIT_OK)
        status = cbi_cli_failf("standard output cannot be written");
    return status;
}
