/* shown.h: a call of a tool as text, for the person who may allow it. Pure.
 *
 *   rm -rf /srv/data            the command, as a shell would quote its words; shell text as it is
 *   > echo done                 further lines of the text above begin with "> "
 *   timeout_ms: 1000            other arguments
 *
 *   src/a.py (leads to /x/a.py) the file of an edit
 *   @@ -1,1 +1,1 @@             its diff; the old and the new text where no diff is known
 *   -old
 *   +new
 *
 *   Which port?                 a question of a model, or of a program
 *     1) 8080                   its options
 *
 * Promise    every argument is in the text, or a mark at the end of the part says how much is not:
 *            "… 12 more lines (3400 bytes) do not fit here". The beginning of a command is always
 *            there. The text is valid UTF-8 of at most SHOWN_MAX bytes, and never empty. Characters
 *            that are invisible or change the order of others are written as \u202e; of the control
 *            characters only line breaks pass, and tabs within lines of files. No argument can look
 *            like another one.
 * Ownership  all is borrowed during the call.
 * Threads    any.
 * Failure    only for want of memory: text_failed(ret_shown).
 */
#ifndef DROVER_RULES_APPROVAL_SHOWN_H
#define DROVER_RULES_APPROVAL_SHOWN_H

#include "base/base.h"
#include "base/text.h"

/* Twenty pages of code: more is read by nobody before a yes. */
enum { SHOWN_MAX = 64 << 10 };

struct shown_call {
    struct bytes tool;      /* "": a question that no tool asks. */
    struct bytes arguments; /* JSON; text that is no object is shown as it is. */
    struct bytes about;     /* JSON object with subjects, diff, before, grant; or "". */
};
/* Replaces what `ret_shown` holds; its bound must be above SHOWN_MAX. */
void shown_write(const struct shown_call *call, struct text *ret_shown);

#endif
