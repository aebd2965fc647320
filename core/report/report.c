/* SPDX-License-Identifier: MIT */
/* From a database to files: read everything, make the figures, write what was asked for. */
#include "cellbench/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "report/gnuplot.h"
#include "report/page.h"
#include "report/paper.h"

/* ---- Chart.js ---- */

enum { MOST_CHARTS = 4 << 20 };

/* Debian's libjs-chart.js, and where the package of another system may put the same file. */
static const char *const charts_places[] = {"/usr/share/javascript/chart.js/chart.min.js",
                                            "/usr/share/javascript/chart.js/Chart.min.js",
                                            "/usr/share/javascript/chart.js/chart.umd.min.js",
                                            "/usr/share/nodejs/chart.js/dist/chart.min.js",
                                            "/usr/lib/node_modules/chart.js/dist/chart.umd.js"};

/* A text that would end the script that it stands in. */
static int ends_script(const char *text) {
    for (; (text = strstr(text, "<")) != NULL; text++)
        if (strncasecmp(text, "</script", 8) == 0 || strncmp(text, "<!--", 4) == 0)
            return 1;
    return 0;
}

static cb_status read_charts(char **out, const char *path, cb_err *err) {
    size_t length = 0;
    cb_status st = cbi_file_read(out, &length, path, MOST_CHARTS, err);
    if (st != CB_OK)
        return st;
    const char *head = strstr(*out, "Chart.js v");
    const int known = head != NULL && head - *out < 200 && (head[10] == '3' || head[10] == '4') &&
                      head[11] == '.' && strlen(*out) == length && !ends_script(*out);
    if (known)
        return CB_OK;
    cbi_free(*out);
    *out = NULL;
    return cb_fail(err, CB_EDATA, "%s: expected Chart.js of version 3 or 4, whole in one file",
                   path);
}

static cb_status find_charts(char **out, const cb_report_options *options, cb_report_made *made,
                             cb_err *err) {
    *out = NULL;
    if (options->charts != NULL && *options->charts != '\0')
        return read_charts(out, options->charts, err);
    const size_t places = sizeof charts_places / sizeof *charts_places;
    for (size_t i = 0; options->charts == NULL && i < places && *out == NULL; i++)
        if (access(charts_places[i], R_OK) == 0 &&
            read_charts(out, charts_places[i], err) == CB_ENOMEM)
            return CB_ENOMEM;
    if (*out == NULL)
        (void)snprintf(made->without, sizeof made->without, "%s",
                       options->charts != NULL
                           ? "none were asked for."
                           : "Chart.js is not installed (Debian: libjs-chart.js).");
    return CB_OK;
}

/* ---- parts ---- */

static cb_status make_parts(cbi_page_part **out, cbi_report_data *data, cb_err *err) {
    const size_t n = data->compare->task_count;
    cbi_page_part *parts = cbi_pool_take(&data->pool, n + 1, sizeof *parts);
    for (size_t i = 0; parts != NULL && i < n; i++) {
        parts[i].data = data;
        parts[i].part = &data->parts[i];
        parts[i].number = i + 1;
        cbi_plots_make(parts[i].figures, &data->parts[i], &data->pool);
    }
    *out = parts;
    return cbi_pool_status(&data->pool, err);
}

static int is_drawn(const cbi_figure *figure) {
    return figure->title != NULL && figure->empty == NULL;
}

/* ---- the page ---- */

/* Pictures instead of charts, where gnuplot can draw them; which is no error where it cannot. */
static cb_status draw_images(cbi_page *page, cb_report_made *made, cb_err *err) {
    const size_t n = page->data->compare->task_count;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < CBI_PLOTS; k++) {
            size_t length = 0;
            cbi_page_part *part = &page->parts[i];
            cb_err why = {0};
            if (!is_drawn(&part->figures[k]))
                continue;
            const cb_status st = cbi_gnuplot_draw(&part->images[k], &length, &part->figures[k],
                                                  CBI_PICTURE_SVG, &why);
            if (st == CB_ENOMEM)
                return cb_fail(err, st, "%s", why.text);
            if (st != CB_OK) {
                const size_t used = strlen(made->without);
                (void)snprintf(made->without + used, sizeof made->without - used,
                               " No pictures: %s.", why.text);
                return CB_OK;
            }
        }
    return CB_OK;
}

static void free_images(cbi_page *page) {
    for (size_t i = 0; i < page->data->compare->task_count; i++)
        for (size_t k = 0; k < CBI_PLOTS; k++)
            cbi_free(page->parts[i].images[k]);
}

static cb_status write_text(cbi_text *text, const char *path, cb_err *err) {
    const cb_status st = text->failed ? cb_fail(err, CB_ENOMEM, "%s: no memory for its text", path)
                                      : cbi_file_write(path, text->data, text->length, err);
    cbi_text_fini(text);
    return st;
}

static cb_status write_page(cbi_report_data *data, cbi_page_part *parts,
                            const cb_report_options *options, cb_report_made *made, cb_err *err) {
    char now[40] = "";
    char *charts = NULL;
    const time_t seconds = time(NULL);
    struct tm utc;
    cbi_text text = {0};
    cb_status st = find_charts(&charts, options, made, err);
    if (st != CB_OK)
        return st;
    if (gmtime_r(&seconds, &utc) != NULL)
        (void)strftime(now, sizeof now, "%Y-%m-%d %H:%M UTC", &utc);
    cbi_page page = {.data = data,
                     .parts = parts,
                     .charts = charts,
                     .no_charts = made->without,
                     .command = options->command != NULL ? options->command : "",
                     .version = options->version != NULL ? options->version : "",
                     .made_utc = now};
    made->has_charts = charts != NULL;
    if (charts == NULL)
        st = draw_images(&page, made, err);
    if (st == CB_OK) {
        cbi_page_write(&text, &page);
        made->page_bytes = text.length;
        st = write_text(&text, options->page, err);
    }
    free_images(&page);
    cbi_free(charts);
    return st;
}

/* ---- figures ---- */

/* "DIR/study-figure.svg"; letters and digits of the study's name only, its number if it is not
 * the only one. */
static cb_status figure_path(char **out, const cbi_report_data *data, const cbi_page_part *part,
                             const char *folder, const char *id, const char *suffix, cb_err *err) {
    enum { MOST_NAME = 60 };
    cbi_text path = {0};
    const char *name = part->part->compare->study;
    cbi_text_addf(&path, "%s/", folder);
    for (size_t i = 0; name[i] != '\0' && i < MOST_NAME; i++) {
        const int plain = (name[i] >= 'a' && name[i] <= 'z') ||
                          (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9');
        cbi_text_add_n(&path, plain ? name + i : "-", 1);
    }
    if (data->compare->task_count > 1)
        cbi_text_addf(&path, "-%zu", part->number);
    cbi_text_addf(&path, "-%s.%s", id, suffix);
    const cb_status st = cbi_text_take(&path, out, err);
    cbi_text_fini(&path);
    return st;
}

static cb_status write_figure(const cbi_report_data *data, const cbi_page_part *part, size_t which,
                              cbi_picture picture, const char *folder, cb_err *err) {
    char *path = NULL, *bytes = NULL;
    size_t length = 0;
    const cbi_figure *figure = &part->figures[which];
    cb_status st = figure_path(&path, data, part, folder, figure->id,
                               picture == CBI_PICTURE_SVG ? "svg" : "pdf", err);
    if (st == CB_OK)
        st = cbi_gnuplot_draw(&bytes, &length, figure, picture, err);
    if (st == CB_OK)
        st = cbi_file_write(path, bytes, length, err);
    cbi_free(bytes);
    cbi_free(path);
    return st;
}

static cb_status write_figures(const cbi_report_data *data, const cbi_page_part *parts,
                               const char *folder, cb_report_made *made, cb_err *err) {
    cb_status st = CB_OK;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return cb_fail(err, CB_EIO, "%s: cannot be made: %s", folder, strerror(errno));
    for (size_t i = 0; i < data->compare->task_count; i++)
        for (size_t k = 0; k < CBI_PLOTS; k++)
            for (int picture = CBI_PICTURE_SVG; picture <= CBI_PICTURE_PDF; picture++) {
                if (!is_drawn(&parts[i].figures[k]))
                    continue;
                if ((st = write_figure(data, &parts[i], k, (cbi_picture)picture, folder, err)) !=
                    CB_OK)
                    return st;
                made->figures++;
            }
    return CB_OK;
}

/* ---- all ---- */

static cb_status write_paper(const cbi_report_data *data, const char *path,
                             void (*make)(cbi_text *, const cbi_report_data *), cb_err *err) {
    cbi_text text = {0};
    make(&text, data);
    return write_text(&text, path, err);
}

cb_status cb_report_write(cb_store *store, const cb_report_options *options, cb_report_made *made,
                          cb_err *err) {
    cbi_report_data data;
    cbi_page_part *parts = NULL;
    *made = (cb_report_made){.parts = 0};
    cb_status st = cbi_report_read(&data, store, options->study, err);
    if (st != CB_OK)
        return st;
    made->parts = data.compare->task_count;
    st = make_parts(&parts, &data, err);
    if (st == CB_OK && options->page != NULL)
        st = write_page(&data, parts, options, made, err);
    if (st == CB_OK && options->markdown != NULL)
        st = write_paper(&data, options->markdown, cbi_paper_markdown, err);
    if (st == CB_OK && options->latex != NULL)
        st = write_paper(&data, options->latex, cbi_paper_latex, err);
    if (st == CB_OK && options->figures != NULL)
        st = write_figures(&data, parts, options->figures, made, err);
    cbi_report_data_fini(&data);
    return st;
}
