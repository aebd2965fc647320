/* SPDX-License-Identifier: MIT */
/* The page: what its parts share. page.c has the frame, page_answer.c the first screen,
 * page_sections.c what follows it, page_repeat.c how to get the same numbers again. */
#ifndef CB_REPORT_PAGE_H
#define CB_REPORT_PAGE_H

#include "report/html.h"
#include "report/plots.h"
#include "report/report_data.h"

typedef struct cbi_page_part {
    const cbi_report_data *data;
    const cbi_report_part *part;
    size_t number; /* from 1; starts the ids of its elements */
    cbi_figure figures[CBI_PLOTS];
    char *images[CBI_PLOTS]; /* SVG of each figure where there are no charts; NULL: none */
} cbi_page_part;

typedef struct cbi_page {
    const cbi_report_data *data;
    cbi_page_part *parts;
    const char *charts;    /* Chart.js; NULL: not there */
    const char *no_charts; /* why not */
    const char *command, *version, *made_utc;
} cbi_page;

void cbi_page_write(cbi_text *out, const cbi_page *page);

void cbi_page_answer(cbi_text *out, const cbi_page_part *p);
void cbi_page_sections(cbi_text *out, const cbi_page *page, const cbi_page_part *p);
void cbi_page_repeat(cbi_text *out, const cbi_page_part *p);

/* Sentences of the comparison: long names within them are cut as names are. */
void cbi_page_words(cbi_text *out, const cbi_report_part *part, const char *words);
/* A copy of the first sentence; *rest: what follows it, or NULL. Where a name looks like the end of
 * a sentence, it ends there: only the look depends on it. NULL when memory is out. Caller:
 * cbi_free. */
char *cbi_page_sentence(const char *words, const char **rest);
/* The mark of a cell in charts, and its name. */
void cbi_page_cell(cbi_text *out, const cbi_report_part *part, size_t cell);
/* "<dt>label</dt><dd>text</dd>", nothing if the text is empty. */
void cbi_page_fact(cbi_text *out, const char *label, const char *text);

#endif
