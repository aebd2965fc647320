/* SPDX-License-Identifier: MIT */
/*
 * Reports of a database: one page of HTML that needs nothing else, figures and tables for a paper.
 * What they say comes from cellbench/compare.h and cellbench/importance.h.
 *
 * The page is one file: no request leaves it, its scripts run only if their hashes match, and
 * whatever comes from the database is text in it. Charts are drawn by Chart.js 3 or 4, which is put
 * into the page; without it the page has pictures by gnuplot, without that its tables only, and
 * says so. Every file appears whole or not at all.
 */
#ifndef CELLBENCH_REPORT_H
#define CELLBENCH_REPORT_H

#include <stddef.h>

#include "cellbench/status.h"
#include "cellbench/store.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cb_report_options {
    const char *study; /* NULL: all */
    const char *page;  /* path of the page; NULL: none */
    const char
        *figures; /* folder for <study>-<figure>.svg and .pdf, made if it is not there; NULL */
    const char *markdown; /* path of the tables in Markdown; NULL: none */
    const char *latex;    /* path of the tables in LaTeX (booktabs); NULL: none */
    const char *charts;   /* path of Chart.js; NULL: where Debian puts it; "": no charts */
    const char *command;  /* command line that makes the report again, for its foot */
    const char *version;  /* of the program */
} cb_report_options;

typedef struct cb_report_made {
    size_t parts;   /* studies, on one task each */
    size_t figures; /* files of figures */
    size_t page_bytes;
    int has_charts; /* 1: the page has charts; 0: `without` says why not */
    char without[512];
} cb_report_made;

/*
 * Reads the database in short queries, which hold up no run, and writes what is asked for. Errors
 * of reading as cb_compare_read; CB_EIO if a file cannot be written, if figures are asked for and
 * gnuplot is not installed, or if options.charts names what cannot be read or is not Chart.js.
 * 20,000 trials with a million epochs take some seconds.
 */
CB_API CB_MUST_USE cb_status cb_report_write(cb_store *store, const cb_report_options *options,
                                             cb_report_made *made, cb_err *err);

#ifdef __cplusplus
}
#endif
#endif
