/* SPDX-License-Identifier: MIT */
/*
 * The frame of the page. Nothing in it comes from anywhere else: a content security policy lets
 * only the two scripts and the style run whose hashes it names, and no request leave.
 */
#include "report/page.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "report/page_text.h"

/* ---- what sections share ---- */

/* How many bytes of `words` the name of a cell takes that is too long to be shown; the cell goes
 * to *which. */
static size_t long_name(const cbi_report_part *part, const char *words, size_t *which) {
    size_t longest = 0;
    for (size_t i = 0; i < part->compare->cell_count; i++) {
        const size_t n = strlen(part->compare->cells[i].name);
        if (n > CBI_HTML_NAME && n > longest &&
            strncmp(words, part->compare->cells[i].name, n) == 0) {
            longest = n;
            *which = i;
        }
    }
    return longest;
}

void cbi_page_words(cbi_text *out, const cbi_report_part *part, const char *words) {
    int any = 0;
    for (size_t i = 0; i < part->compare->cell_count; i++)
        any |= strlen(part->compare->cells[i].name) > CBI_HTML_NAME;
    cbi_text_add(out, "<bdi>");
    if (!any) {
        cbi_html_text(out, words);
    } else {
        cbi_text plain = {0};
        size_t which = 0;
        while (*words != '\0') {
            const size_t n = long_name(part, words, &which);
            if (n > 0) {
                cbi_html_text(out, plain.data != NULL ? plain.data : "");
                cbi_text_fini(&plain);
                cbi_html_name(out, part->compare->cells[which].name);
            } else {
                cbi_text_add_n(&plain, words, 1);
            }
            words += n > 0 ? n : 1;
        }
        cbi_html_text(out, plain.data != NULL ? plain.data : "");
        out->failed |= plain.failed;
        cbi_text_fini(&plain);
    }
    cbi_text_add(out, "</bdi>");
}

char *cbi_page_sentence(const char *words, const char **rest) {
    const char *end = strstr(words, ". ");
    *rest = end != NULL ? end + 2 : NULL;
    return cbi_strndup(words, end != NULL ? (size_t)(end - words) + 1 : strlen(words));
}

/* The shapes of report.js, in the same order. */
static const char *const shapes[] = {
    "<circle cx=\"6\" cy=\"6\" r=\"4.5\" fill=\"currentColor\"/>",
    "<path d=\"M6 1 11 10.5H1z\" fill=\"currentColor\"/>",
    "<path d=\"M2 2h8v8H2z\" fill=\"currentColor\"/>",
    "<path d=\"M6 .5 11.5 6 6 11.5 .5 6z\" fill=\"currentColor\"/>",
    "<path d=\"M6 1v10M1 6h10M2.5 2.5l7 7M9.5 2.5l-7 7\" stroke=\"currentColor\" "
    "stroke-width=\"1.6\"/>",
    "<path d=\"M2 2l8 8M10 2l-8 8\" stroke=\"currentColor\" stroke-width=\"2\"/>",
    "<path d=\"M6 1v10M1 6h10\" stroke=\"currentColor\" stroke-width=\"2\"/>"};

void cbi_page_cell(cbi_text *out, const cbi_report_part *part, size_t cell) {
    cbi_text_addf(out,
                  "<svg class=\"swatch c%zu\" viewBox=\"0 0 12 12\" fill=\"none\" "
                  "aria-hidden=\"true\">%s</svg> ",
                  cell % 8, shapes[cell % (sizeof shapes / sizeof *shapes)]);
    cbi_html_name(out, part->compare->cells[cell].name);
}

void cbi_page_fact(cbi_text *out, const char *label, const char *text) {
    if (*text == '\0')
        return;
    cbi_text_addf(out, "<dt>%s</dt><dd><bdi>", label);
    cbi_html_text(out, text);
    cbi_text_add(out, "</bdi></dd>\n");
}

/* ---- head ---- */

static void add_hash(cbi_text *out, const char *text) {
    uint8_t digest[32];
    cbi_sha256(text, strlen(text), digest);
    cbi_text_add(out, " 'sha256-");
    cbi_html_base64(out, digest, sizeof digest);
    cbi_text_add(out, "'");
}

static void add_title(cbi_text *out, const cbi_page *page) {
    const cb_compare *compare = page->data->compare;
    cbi_text title = {0};
    if (compare->task_count == 1)
        cbi_name_plain(&title, compare->tasks[0].study, CBI_HTML_NAME);
    else
        cbi_name_plain(&title, page->data->database, 2 * CBI_HTML_NAME);
    out->failed |= title.failed;
    cbi_html_text(out, title.data != NULL ? title.data : "");
    cbi_text_fini(&title);
}

static void add_head(cbi_text *out, const cbi_page *page) {
    cbi_text_add(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src");
    if (page->charts != NULL)
        add_hash(out, page->charts);
    add_hash(out, cbi_page_report_js);
    cbi_text_add(out, "; style-src");
    add_hash(out, cbi_page_report_css);
    cbi_text_add(out, "; img-src data:; base-uri 'none'; form-action 'none'\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                      "<meta name=\"referrer\" content=\"no-referrer\">\n"
                      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    add_title(out, page);
    cbi_text_add(out, " \xc2\xb7 cellbench report</title>\n<style>");
    cbi_text_add(out, cbi_page_report_css);
    cbi_text_add(out, "</style>\n</head>\n<body>\n<div class=\"page\">\n");
}

/* ---- body ---- */

static void add_masthead(cbi_text *out, const cbi_page *page) {
    cbi_text_add(out,
                 "<a class=\"skip\" href=\"#main\">To the content</a>\n"
                 "<header class=\"masthead\"><p><strong>cellbench report</strong> \xc2\xb7 <bdi>");
    cbi_html_text(out, page->data->database);
    cbi_text_add(out, "</bdi> \xc2\xb7 ");
    cbi_html_text(out, page->made_utc);
    cbi_text_add(out, "</p><button type=\"button\" id=\"theme\" aria-label=\"Change between light "
                      "and dark\" hidden>"
                      "Dark</button></header>\n");
}

static void add_bar(cbi_text *out, const cbi_page_part *p) {
    static const struct {
        const char *id, *name;
    } links[] = {{"answer", "Answer"},   {"spread", "Spread"},     {"differences", "Differences"},
                 {"curves", "Curves"},   {"settings", "Settings"}, {"cost", "Cost"},
                 {"cells", "Equations"}, {"failures", "Failures"}, {"repeat", "Repeat"}};
    cbi_text_add(out, "<nav class=\"bar\" aria-label=\"Sections\"><ul>");
    for (size_t i = 0; i < sizeof links / sizeof *links; i++)
        cbi_text_addf(out, "<li><a href=\"#p%zu-%s\">%s</a></li>", p->number, links[i].id,
                      links[i].name);
    cbi_text_add(out, "</ul></nav>\n");
}

static void add_filter(cbi_text *out, const cbi_page_part *p) {
    const cb_compare_task *task = p->part->compare;
    if (task->cell_count < 2)
        return;
    cbi_text_add(out, "<fieldset class=\"filter\" hidden><legend>Cells shown</legend>");
    for (size_t i = 0; i < task->cell_count; i++) {
        cbi_text_addf(out, "<label class=\"chip\"><input type=\"checkbox\" value=\"%zu\" checked>",
                      i);
        cbi_page_cell(out, p->part, i);
        cbi_text_add(out, "</label>");
    }
    cbi_text_add(out, "<button type=\"button\" value=\"all\">all</button>"
                      "<button type=\"button\" value=\"none\">none</button></fieldset>\n");
}

static void add_data(cbi_text *out, const cbi_page_part *p) {
    int any = 0;
    cbi_text_add(out, "<script type=\"application/json\">{\"figures\":[");
    for (size_t i = 0; i < CBI_PLOTS; i++) {
        if (p->figures[i].title == NULL || p->figures[i].empty != NULL)
            continue;
        cbi_text_add(out, any ? ",\n" : "\n");
        cbi_figure_json(out, &p->figures[i]);
        any = 1;
    }
    cbi_text_add(out, "\n]}</script>\n");
}

static void add_part(cbi_text *out, const cbi_page *page, const cbi_page_part *p) {
    cbi_text_addf(out, "<section class=\"part\" aria-labelledby=\"p%zu\"><header><h1 id=\"p%zu\">",
                  p->number, p->number);
    cbi_html_name(out, p->part->compare->study);
    cbi_text_add(out, "</h1></header>\n");
    cbi_page_answer(out, p);
    if (p->part->compare->trials > 0) {
        add_bar(out, p);
        add_filter(out, p);
        cbi_page_sections(out, page, p);
        if (page->charts != NULL)
            add_data(out, p);
    }
    cbi_text_add(out, "</section>\n");
}

static void add_contents(cbi_text *out, const cbi_page *page) {
    const cb_compare *compare = page->data->compare;
    if (compare->task_count < 2)
        return;
    cbi_text_addf(out, "<nav aria-label=\"Studies\"><h1>%zu studies</h1><ul>\n",
                  compare->task_count);
    for (size_t i = 0; i < compare->task_count; i++) {
        const char *rest;
        char *first = cbi_page_sentence(compare->tasks[i].answer, &rest);
        cbi_text_addf(out, "<li><a href=\"#p%zu\">", i + 1);
        cbi_html_name(out, compare->tasks[i].study);
        cbi_text_add(out, "</a>: ");
        cbi_page_words(out, &page->data->parts[i], first != NULL ? first : "");
        out->failed |= first == NULL;
        cbi_free(first);
        cbi_text_add(out, "</li>\n");
    }
    cbi_text_add(out, "</ul>");
    if (compare->ranks.cell_count > 0) {
        cbi_text_add(out, "<p>");
        cbi_page_words(out, &page->data->parts[0], compare->ranks.words);
        cbi_text_add(out, "</p>");
    }
    cbi_text_add(out, "</nav>\n");
}

static void add_notes(cbi_text *out, const cbi_page *page) {
    const cb_compare *compare = page->data->compare;
    if (compare->task_count == 0)
        cbi_text_add(
            out,
            "<h1>Nothing to report yet</h1><p class=\"state\" role=\"status\">This database "
            "holds no trials: <code>cellbench run STUDY.lua --db FILE</code> makes them.</p>\n");
    for (size_t i = 0; i < compare->note_count; i++) {
        cbi_text_add(out, "<p class=\"state\"><bdi>");
        cbi_html_text(out, compare->notes[i]);
        cbi_text_add(out, "</bdi></p>\n");
    }
    if (page->charts == NULL) {
        cbi_text_add(out, "<p class=\"state\">Without interactive charts: ");
        cbi_html_text(out, page->no_charts);
        cbi_text_add(out, "</p>\n");
    }
}

static const char licence[] =
    "Chart.js: Copyright (c) 2014-2022 Chart.js Contributors; with @kurkle/color: Copyright (c) "
    "2018-2021 Jukka Kurkela.\n\n"
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software "
    "and associated documentation files (the \"Software\"), to deal in the Software without "
    "restriction, including without limitation the rights to use, copy, modify, merge, publish, "
    "distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the "
    "Software is furnished to do so, subject to the following conditions:\n\n"
    "The above copyright notice and this permission notice shall be included in all copies or "
    "substantial portions of the Software.\n\n"
    "THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, "
    "INCLUDING "
    "BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND "
    "NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, "
    "DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING "
    "FROM, "
    "OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.";

static void add_footer(cbi_text *out, const cbi_page *page) {
    cbi_text_add(out, "<footer><p>Made by cellbench ");
    cbi_html_text(out, page->version);
    cbi_text_add(out, " with <code>");
    cbi_html_text(out, page->command);
    cbi_text_add(out, "</code>. This file needs no network and sends nothing.</p>\n");
    if (page->charts != NULL) {
        cbi_text_add(out, "<details><summary>Licence of the charts: Chart.js, MIT</summary><p>");
        cbi_html_text(out, licence);
        cbi_text_add(out, "</p></details>");
    }
    cbi_text_add(out, "</footer>\n");
}

void cbi_page_write(cbi_text *out, const cbi_page *page) {
    add_head(out, page);
    add_masthead(out, page);
    cbi_text_add(out, "<main id=\"main\">\n");
    add_notes(out, page);
    add_contents(out, page);
    for (size_t i = 0; i < page->data->compare->task_count; i++)
        add_part(out, page, &page->parts[i]);
    cbi_text_add(out, "</main>\n");
    add_footer(out, page);
    cbi_text_add(out, "</div>\n");
    if (page->charts != NULL) {
        cbi_text_add(out, "<script>");
        cbi_text_add(out, page->charts);
        cbi_text_add(out, "</script>\n");
    }
    cbi_text_add(out, "<script>");
    cbi_text_add(out, cbi_page_report_js);
    cbi_text_add(out, "</script>\n</body>\n</html>\n");
}
