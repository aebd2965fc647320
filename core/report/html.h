/* SPDX-License-Identifier: MIT */
/*
 * Writing HTML, and JSON within it. Whatever comes from a database goes through one of these and
 * is text afterwards: it cannot open a tag, end a script, or turn the direction of its neighbours.
 */
#ifndef CB_REPORT_HTML_H
#define CB_REPORT_HTML_H

#include <stdint.h>

#include "base/text.h"

/* How much of a name is shown; the rest is in its title. */
enum { CBI_HTML_NAME = 48 };

/* Text, in an element or a quoted attribute. Newlines and tabs stay; other controls and bytes that
 * are not UTF-8 become U+FFFD. */
void cbi_html_text(cbi_text *out, const char *text);
/* A name: isolated in direction, what acts unseen replaced, cut to CBI_HTML_NAME characters with
 * the whole in its title. */
void cbi_html_name(cbi_text *out, const char *name);
void cbi_html_cut(cbi_text *out, const char *text, size_t most); /* the same, at `most` */
/* `digits` significant digits, a true minus, powers of ten; an en dash if it is not finite. */
void cbi_html_number(cbi_text *out, double value, int digits);
/* The same as plain UTF-8 text, without markup: "1.5e-05" stays so. */
void cbi_plain_number(cbi_text *out, double value, int digits);
/* With a narrow space between thousands. */
void cbi_html_count(cbi_text *out, int64_t value);
/* "<td ...>" cells of numbers carry their value for sorting. `digits` 0: a count. */
void cbi_html_number_cell(cbi_text *out, double value, int digits);
void cbi_html_base64(cbi_text *out, const void *data, size_t n);
void cbi_html_interval_cell(cbi_text *out, double low, double high, int digits);
/* The same of ratios, with a sign of multiplication. */
void cbi_html_ratio_cell(cbi_text *out, double ratio, int digits);
void cbi_html_ratios_cell(cbi_text *out, double low, double high, int digits);
void cbi_html_p_cell(cbi_text *out, double p); /* a p value: "0.032", "< 0.001" */
/* "850 ms", "12 s", "3 min 20 s", "2 h 05 min". */
void cbi_html_duration(cbi_text *out, double seconds);

/* A JSON string, quotes included, that is inert within <script>: <, >, & and the line separators
 * are escaped. */
void cbi_json_text(cbi_text *out, const char *text);
void cbi_json_number(cbi_text *out, double value); /* 6 digits; null if not finite */

/* A name fit for a figure or a paper's table: hidden characters are replaced, at most `most`
 * characters. */
void cbi_name_plain(cbi_text *out, const char *name, size_t most);

#endif
