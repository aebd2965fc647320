/* SPDX-License-Identifier: MIT */
/* Which settings of a study are confirmed with fresh seeds, and putting those trials in its list.
 */
#ifndef CB_SWEEP_CONFIRM_H
#define CB_SWEEP_CONFIRM_H

#include "sweep/plan.h"

/*
 * Looks which cells have all their first trials finished, and adds the confirmations of their best
 * settings to the store and the plan, whose items then move. Doing it again, here or in another
 * process, adds nothing. *added: trials that the study did not have in this edition.
 */
CB_MUST_USE cb_status cbi_confirm(cbi_plan *plan, cb_store *store, const cb_study *study,
                                  int64_t study_id, cb_again again, int64_t *added, cb_err *err);

#endif
