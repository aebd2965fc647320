/* SPDX-License-Identifier: MIT */
/*
 * What a person wishes of a run, by signals: Ctrl-C, SIGTERM and SIGHUP stop it, and once more at
 * once; Ctrl-Z (SIGTSTP) has it stand still until SIGCONT.
 */
#ifndef CB_CLI_WISH_H
#define CB_CLI_WISH_H

/* A signal that is ignored from the start stays so: nohup, and `&` in a script, mean it. */
void cbi_wish_listen(void);
/* Forgets what was wished, and no longer listens: a signal does what it does by default. */
void cbi_wish_end(void);

int cbi_wish_to_stop(void);
int cbi_wish_to_pause(void);
/* Stops this process; returns when it is continued, with the wish to pause fulfilled. */
void cbi_wish_suspend(void);

#endif
