/* lines.h: one line of a script into one action. Pure; for script.c. */
#ifndef DROVER_MODEL_SCRIPTED_LINES_H
#define DROVER_MODEL_SCRIPTED_LINES_H

#include "model/scripted/script.h"

enum script_line { SCRIPT_NO_ACTION, SCRIPT_ACTION, SCRIPT_NEXT_STEP, SCRIPT_BAD_LINE };
/* SCRIPT_ACTION: *ret_action is the caller's (script_action_done). SCRIPT_BAD_LINE: `why`. */
enum script_line script_line_read(struct bytes line, struct script_action *ret_action,
                                  struct why *why);
void script_action_done(struct script_action *action);

#endif
