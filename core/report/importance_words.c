/* SPDX-License-Identifier: MIT */
/* What importance shows in a sentence, and what it does not. */
#include "report/importance_internal.h"

#include <math.h>
#include <stdio.h>

#include "base/alloc.h"
#include "report/report_query.h"

enum { NAMED_MOST = 3, ROWS_PER_SETTING = 20 };

static const double good_r2 = 0.5, no_r2 = 0.1, heavy_tail = 0.5, worth_naming = 0.05;

static cb_status add(cb_importance_group *group, cbi_text *text, cb_err *err) {
    char *words = NULL;
    cb_status st = text->length > 0 || text->failed ? cbi_text_take(text, &words, err) : CB_OK;
    if (st == CB_OK && words != NULL)
        st = cbi_report_add(&group->warnings, &group->warning_count, words, err);
    cbi_text_fini(text);
    *text = (cbi_text){0};
    return st;
}

static void say_nothing(cbi_text *text, const cb_importance_group *group) {
    if (group->rows == 0)
        cbi_text_addf(text, "No setting has a result yet: %zu are open, failed or left out.",
                      group->missing);
    else if (group->rows < CBI_IMPORTANCE_ROWS)
        cbi_text_addf(text, "%zu setting%s: too few to tell what mattered (%d at least).",
                      group->rows, group->rows == 1 ? " has a result" : "s have results",
                      CBI_IMPORTANCE_ROWS);
    else if (group->setting_count == 0)
        cbi_text_add(text, "Nothing was varied.");
    else
        cbi_text_add(text, "All results are the same: there is nothing to explain.");
}

static void say_share(cbi_text *text, const cb_fanova_share *s) {
    cbi_text_addf(text, "%.0f %% [%.0f, %.0f]", 100.0 * s->share, 100.0 * s->low, 100.0 * s->high);
}

static cb_status say(cb_importance_group *group, cb_err *err) {
    cbi_text text = {0};
    const cb_importance_setting *s = group->settings;
    if (group->setting_count == 0 || isnan(s->share.share)) {
        say_nothing(&text, group);
    } else if (group->r2 < no_r2) {
        cbi_text_addf(&text,
                      "Of settings that it has not seen the forest explains next to nothing "
                      "(R2 %.2f): what mattered between these %zu cannot be told.",
                      group->r2, group->rows);
    } else {
        cbi_text_addf(&text, "%s explains ", s->name);
        say_share(&text, &s->share);
        cbi_text_addf(&text, " of the variance between %zu settings", group->rows);
        for (size_t i = 1; i < group->setting_count && i < NAMED_MOST; i++)
            if (s[i].share.share >= worth_naming) {
                cbi_text_addf(&text, ", %s ", s[i].name);
                say_share(&text, &s[i].share);
            }
        cbi_text_addf(&text,
                      "; R2 %.2f on settings that the forest has not seen. Lowest validation "
                      "value on average: %s %s.",
                      group->r2, s->name, s->best);
    }
    cb_status st = cbi_text_take(&text, &group->words, err);
    cbi_text_fini(&text);
    return st;
}

static cb_status warn_of_fit(cb_importance_group *group, double tail, cb_err *err) {
    cbi_text text = {0};
    if (group->r2 < good_r2 && group->r2 >= no_r2)
        cbi_text_addf(&text,
                      "the forest explains little of settings that it has not seen (R2 "
                      "%.2f): the shares speak of noise as much as of the settings.",
                      group->r2);
    cb_status st = add(group, &text, err);
    if (st == CB_OK && group->rows < ROWS_PER_SETTING * group->setting_count) {
        cbi_text_addf(&text,
                      "%zu results for %zu settings that vary: shares of a few percent, and "
                      "the order of close ones, may be chance.",
                      group->rows, group->setting_count);
        st = add(group, &text, err);
    }
    if (st == CB_OK && tail > heavy_tail) {
        cbi_text_addf(&text,
                      "the worst 5 %% of the results have %.0f %% of the variance: the "
                      "shares say what makes a result bad; --cap 0.5 asks what mattered "
                      "among the better half.",
                      100.0 * tail);
        st = add(group, &text, err);
    }
    return st;
}

static cb_status warn_of_conditions(cb_importance_group *group, cb_err *err) {
    cbi_text text = {0};
    cb_status st = CB_OK;
    for (size_t i = 0; i < group->setting_count && st == CB_OK; i++) {
        const cb_importance_setting *s = &group->settings[i];
        if (s->active == group->rows)
            continue;
        cbi_text_addf(&text, "%s is set in %zu of %zu results", s->name, s->active, group->rows);
        if (isfinite(s->active_share.share)) {
            cbi_text_add(&text, ", and explains ");
            say_share(&text, &s->active_share);
            cbi_text_add(&text, " of the variance among these");
        }
        cbi_text_add(&text, ".");
        st = add(group, &text, err);
    }
    return st;
}

static cb_status warn_of_rows(const cbi_importance_draft *d, cb_importance_group *group,
                              cb_err *err) {
    cbi_text text = {0};
    if (group->diverged > 0 && d->options->diverged == CB_IMPORTANCE_WORST)
        cbi_text_addf(&text, "%zu setting%s diverged: counted as the worst finite value.",
                      group->diverged, group->diverged == 1 ? "" : "s");
    else if (group->diverged > 0)
        cbi_text_addf(&text, "%zu setting%s diverged: left out.", group->diverged,
                      group->diverged == 1 ? "" : "s");
    cb_status st = add(group, &text, err);
    if (st == CB_OK && group->missing > 0 && group->rows > 0) {
        cbi_text_addf(&text, "%zu settings have no value (open, failed or left out).",
                      group->missing);
        st = add(group, &text, err);
    }
    return st;
}

cb_status cbi_importance_say(const cbi_importance_draft *d, cb_importance_group *group, double tail,
                             cb_err *err) {
    cb_status st = say(group, err);
    const int fitted = group->setting_count > 0 && isfinite(group->settings[0].share.share);
    if (st == CB_OK && fitted)
        st = warn_of_fit(group, tail, err);
    if (st == CB_OK && fitted)
        st = warn_of_conditions(group, err);
    return st == CB_OK ? warn_of_rows(d, group, err) : st;
}
