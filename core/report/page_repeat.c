/* SPDX-License-Identifier: MIT */
/* How to repeat every number: commands, hashes, builds, machines, the script. */
#include "report/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void add_run(cbi_text *out, const cbi_report_run *run) {
    char text[256];
    cbi_text_addf(out, "<h3>Run %" PRId64 "</h3><dl class=\"facts\">\n", run->run_id);
    cbi_page_fact(out, "command", run->command);
    (void)snprintf(text, sizeof text,
                   "%.80s to %.80s (%.20s), %" PRId64 " attempts of this study's trials",
                   run->started_utc, *run->ended_utc != '\0' ? run->ended_utc : "now", run->state,
                   run->trials);
    cbi_page_fact(out, "time", text);
    cbi_page_fact(out, "program", run->version);
    cbi_page_fact(out, "commit", run->git_commit);
    cbi_page_fact(out, "compiler", run->compiler);
    cbi_page_fact(out, "flags", run->flags);
    cbi_page_fact(out, "BLIS", run->blis_version);
    cbi_page_fact(out, "kernel", run->kernel);
    (void)snprintf(
        text, sizeof text,
        "generation %" PRId64 ", instruction set %.80s, denormals %s: equal ones give equal bits",
        run->numerics, run->instruction_set, run->denormals_flushed ? "flushed to 0" : "kept");
    cbi_page_fact(out, "numerics", text);
    (void)snprintf(text, sizeof text, "%" PRId64 " at once", run->jobs);
    cbi_page_fact(out, "jobs", text);
    cbi_page_fact(out, "host", run->host);
    (void)snprintf(text, sizeof text, "%.120s; %" PRId64 " processors, %.1f GiB", run->cpu,
                   run->cores, (double)run->memory_bytes / (1024.0 * 1024 * 1024));
    cbi_page_fact(out, "machine", text);
    cbi_page_fact(out, "system", run->system);
    cbi_text_add(out, "</dl>\n");
}

/* The trials behind the table's means: each can be run again and compared to the last bit. */
static void add_trials(cbi_text *out, const cbi_report_part *part) {
    enum { MOST = 40 };
    cbi_text_add(out,
                 "<details><summary>Trials behind each mean</summary>"
                 "<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
                 "aria-label=\"Trials\"><table><thead><tr>"
                 "<th scope=\"col\">cell</th><th scope=\"col\" class=\"n\">seed</th>"
                 "<th scope=\"col\" class=\"n\">trial</th><th scope=\"col\" class=\"n\">test</th>"
                 "</tr></thead><tbody>\n");
    for (size_t i = 0; i < part->compare->cell_count; i++) {
        const cb_compare_cell *cell = &part->compare->cells[i];
        for (size_t k = 0; k < cell->n && k < MOST; k++) {
            cbi_text_addf(out, "<tr data-cell=\"%zu\"><th scope=\"row\">", i);
            cbi_html_name(out, cell->name);
            cbi_text_addf(out,
                          "</th><td class=\"n\">%" PRId64 "</td><td class=\"n\">%" PRId64 "</td>",
                          cell->values[k].seed, cell->values[k].trial_id);
            cbi_html_number_cell(out, cell->values[k].value, 9);
            cbi_text_add(out, "</tr>\n");
        }
    }
    cbi_text_addf(
        out, "</tbody></table></div><p class=\"note\">At most %d of each cell.</p></details>\n",
        MOST);
}

static void add_commands(cbi_text *out, const cbi_page_part *p) {
    const cb_compare_task *task = p->part->compare;
    int64_t trial = 1;
    for (size_t i = task->cell_count; i-- > 0;)
        if (task->cells[i].n > 0)
            trial = task->cells[i].values[0].trial_id;
    cbi_text_add(out, "<pre tabindex=\"0\">");
    cbi_text_add(out, "# the answer and its tests again\ncellbench compare ");
    cbi_html_text(out, p->data->database);
    cbi_text_add(out, "\n# one trial again, compared to the last bit\ncellbench verify ");
    cbi_html_text(out, p->data->database);
    cbi_text_addf(out,
                  " %" PRId64 "\n# every trial of this study, a row each\nsqlite3 -header -column ",
                  trial);
    cbi_html_text(out, p->data->database);
    cbi_text_addf(out, " \"select * from study_%" PRId64 "\"\n# every table and view as CSV\n",
                  task->study_id);
    cbi_text_add(out, "cellbench export ");
    cbi_html_text(out, p->data->database);
    cbi_text_add(out, " numbers</pre>\n");
}

void cbi_page_repeat(cbi_text *out, const cbi_page_part *p) {
    const cbi_report_part *part = p->part;
    char text[128];
    add_commands(out, p);
    cbi_text_add(out, "<dl class=\"facts\">\n");
    cbi_page_fact(out, "study script", part->script_path);
    cbi_page_fact(out, "its SHA-256", part->script_sha256);
    cbi_page_fact(out, "its commit", part->git_commit);
    cbi_page_fact(out, "data SHA-256",
                  *part->data_sha256 != '\0' ? part->data_sha256
                                             : "none: the task generates its data");
    cbi_page_fact(out, "registered", part->updated_utc);
    (void)snprintf(text, sizeof text, "%" PRId64 " trials", part->weights_kept);
    cbi_page_fact(out, "weights kept", part->weights_kept > 0 ? text : "of no trial");
    cbi_text_add(out, "</dl>\n");
    if (part->run_count == 0)
        cbi_text_add(out, "<p>No run has worked on this study yet.</p>\n");
    for (size_t i = 0; i < part->run_count && i < 3; i++)
        add_run(out, &part->runs[i]);
    if (part->run_count > 3) {
        cbi_text_addf(out, "<details><summary>%zu more runs</summary>\n", part->run_count - 3);
        for (size_t i = 3; i < part->run_count && i < 100; i++)
            add_run(out, &part->runs[i]);
        cbi_text_add(out, "</details>\n");
    }
    add_trials(out, part);
    cbi_text_add(out, "<details><summary>The script of the study</summary><pre tabindex=\"0\">");
    cbi_html_text(out, part->script);
    cbi_text_add(out, "</pre></details>\n");
}
