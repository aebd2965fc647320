/* SPDX-License-Identifier: MIT */
/*
 * Reads polyphonic music from JSON note lists: an object with the keys train, valid and test; each
 * a list of sequences, a sequence a list of steps, a step the list of the MIDI notes that sound.
 */
#ifndef CB_TASKS_NOTES_H
#define CB_TASKS_NOTES_H

#include "tasks/dataset.h"

enum { CBI_NOTE_LOW = 21, CBI_NOTE_HIGH = 108, CBI_NOTES = 88, CBI_NOTE_SILENT = -1 };

/*
 * Fills the three splits of set and data (whose input, loss and dimensions are laid down already):
 * the target of a step is its frame of 88 keys, 0 or 1; its input the frame before, zero at the
 * first. So every frame of a split is predicted.
 *
 * text   untrusted; `length` bytes
 * limit  only the first `limit` sequences of each split are taken, and looked at; 0: all
 * file   for messages
 *
 * A step may be empty; a note named twice in it counts once; -1 (a silent voice) is passed over.
 * Other keys of the object are passed over too. Errors: CB_EPARSE (no JSON); CB_EDATA naming file,
 * split, sequence and step (counted from 1) and what was found; CB_ESHAPE (too large); CB_ENOMEM.
 * After an error the set holds what was made so far, for cbi_dataset_destroy.
 */
CB_MUST_USE cb_status cbi_notes_read(cbi_dataset *set, cb_data *data, const char *text,
                                     size_t length, size_t limit, const char *file, cb_err *err);

#endif
