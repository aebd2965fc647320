/* SPDX-License-Identifier: MIT */
/* Which settings of a study are confirmed with fresh seeds, and putting those trials in its list.
 */
#ifndef CB_SWEEP_CONFIRM_H
#define CB_SWEEP_CONFIRM_H

#include "sweep/list.h"
#include "sweep/progress.h"

/*
 * Looks which cells have all their first trials finished, and adds the confirmations of their best
 * settings to the store, behind the list; marks those cells as decided in the tracker. Doing it
 * again, here or in another process, adds nothing. The list must be wholly registered.
 */
CB_MUST_USE cb_status cbi_confirm(cbi_list *list, cbi_tracker *tracker, cb_added *added,
                                  cb_err *err);

#endif
