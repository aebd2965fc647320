/* SPDX-License-Identifier: MIT */
/* The table of a study for a paper, with its certainty: Markdown and LaTeX. */
#ifndef CB_REPORT_PAPER_H
#define CB_REPORT_PAPER_H

#include "base/text.h"
#include "report/report_data.h"

/* A text in one line of Markdown, in a table too: nothing of it is markup. */
void cbi_markdown_text(cbi_text *out, const char *text);

void cbi_paper_markdown(cbi_text *out, const cbi_report_data *data);
void cbi_paper_latex(cbi_text *out, const cbi_report_data *data);

#endif
