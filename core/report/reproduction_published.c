/* SPDX-License-Identifier: MIT */
/*
 * What a paper published, from the JSON that is stored with the study. The script module checks
 * what a person writes, with better words; here it is whatever a database may hold.
 */
#include "report/reproduction_internal.h"

#include <math.h>
#include <string.h>

static cb_status wrong(const char *what, cb_err *err) {
    return cb_fail(err, CB_ESTORE, "study.reproduces: %s is missing or not what it must be", what);
}

/* "" where it is optional and not there; NULL if it is wrong. */
static const char *text_of(const json_t *object, const char *key, int optional) {
    const json_t *value = json_object_get(object, key);
    return value == NULL && optional ? "" : json_string_value(value);
}

static double number_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static int expected_of(const char *text, cb_expected *out) {
    static const char *const words[] = {"worse", "better", "not worse", "not better",
                                        "no difference"};
    for (size_t i = 0; text != NULL && i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (cb_expected)i;
            return 1;
        }
    return 0;
}

/* The texts of a list; NULL if it is none or one of them is no text. */
static const char **texts_of(cbi_pool *pool, const json_t *list, size_t *count) {
    const size_t n = json_array_size(list);
    const char **out = cbi_pool_take(pool, n + 1, sizeof *out);
    *count = n;
    for (size_t i = 0; out != NULL && i < n; i++)
        if ((out[i] = json_string_value(json_array_get(list, i))) == NULL)
            return NULL;
    return json_is_array(list) ? out : NULL;
}

static int read_claim(cbi_pool *pool, const json_t *item, cbi_claim *claim) {
    const json_t *others = json_object_get(item, "more_than");
    *claim = (cbi_claim){.cell = text_of(item, "cell", 0),
                         .setting = text_of(item, "setting", 0),
                         .above = number_of(item, "above"),
                         .below = number_of(item, "below"),
                         .certainty = text_of(item, "certainty", 0),
                         .source = text_of(item, "source", 1)};
    if (others != NULL)
        claim->more_than = texts_of(pool, others, &claim->more_than_count);
    if (claim->certainty == NULL || claim->source == NULL ||
        (claim->cell != NULL) == (claim->setting != NULL))
        return 0;
    if (claim->cell != NULL)
        return expected_of(text_of(item, "expected", 0), &claim->expected);
    return !isnan(claim->above) + !isnan(claim->below) + (claim->more_than != NULL) == 1;
}

static int read_claims(cbi_reproduction *r, const json_t *list) {
    cbi_published *p = &r->published;
    p->claim_count = json_array_size(list);
    p->claims = cbi_pool_take(&r->pool, p->claim_count + 1, sizeof *p->claims);
    for (size_t i = 0; p->claims != NULL && i < p->claim_count; i++)
        if (!read_claim(&r->pool, json_array_get(list, i), &p->claims[i]))
            return 0;
    return p->claims != NULL && json_is_array(list);
}

static int read_figures(cbi_reproduction *r, const json_t *list) {
    cbi_published *p = &r->published;
    p->figure_count = json_array_size(list);
    p->figures = cbi_pool_take(&r->pool, p->figure_count + 1, sizeof *p->figures);
    for (size_t i = 0; p->figures != NULL && i < p->figure_count; i++) {
        const json_t *item = json_array_get(list, i);
        const cbi_published_figure figure = {.cell = text_of(item, "cell", 0),
                                             .what = text_of(item, "what", 0),
                                             .certainty = text_of(item, "certainty", 0),
                                             .source = text_of(item, "source", 1),
                                             .value = number_of(item, "value")};
        p->figures[i] = figure;
        if (figure.cell == NULL || figure.what == NULL || figure.certainty == NULL ||
            figure.source == NULL || isnan(figure.value))
            return 0;
    }
    return p->figures != NULL && json_is_array(list);
}

cb_status cbi_published_read(cbi_reproduction *r, const char *text, size_t length, cb_err *err) {
    cbi_published *p = &r->published;
    cb_status st = cbi_json_parse(&r->json, text, length, "study.reproduces", err);
    if (st == CB_ENOMEM)
        return st;
    if (st != CB_OK)
        return cb_fail(err, CB_ESTORE, "study.reproduces: no JSON");
    p->paper = text_of(r->json, "paper", 0);
    p->baseline = text_of(r->json, "baseline", 0);
    p->margin_why = text_of(r->json, "margin_why", 0);
    p->best = number_of(r->json, "best");
    p->margin = number_of(r->json, "margin");
    p->trials = json_integer_value(json_object_get(r->json, "trials"));
    p->departures = texts_of(&r->pool, json_object_get(r->json, "departures"), &p->departure_count);
    if (p->paper == NULL || p->baseline == NULL || p->margin_why == NULL)
        return wrong("paper, baseline or margin_why", err);
    if (!(p->best > 0 && p->best <= 1) || !(p->margin > 0) || p->trials < 1)
        return wrong("best, margin or trials", err);
    if (p->departures == NULL)
        st = wrong("departures", err);
    else if (!read_claims(r, json_object_get(r->json, "claims")))
        st = wrong("claims", err);
    else if (!read_figures(r, json_object_get(r->json, "figures")))
        st = wrong("figures", err);
    return r->pool.failed ? cbi_pool_status(&r->pool, err) : st;
}
