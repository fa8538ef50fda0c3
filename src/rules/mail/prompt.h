/* prompt.h: mail as the agent that gets it reads it. Pure.
 *
 * Promise    texts of the sender are quoted (rules/board/quoted.h), and stand in no line that is
 *            meant for a shell. Such lines hold the mail's id alone, which drover made.
 * Threads    any.
 */
#ifndef DROVER_RULES_MAIL_PROMPT_H
#define DROVER_RULES_MAIL_PROMPT_H

#include "base/text.h"
#include "rules/mail/mail.h"

enum {
    MAIL_PROMPT_CUT = 1 << 10,    /* Bytes of a text that does not fit any more. */
    MAIL_PROMPT_FULL = 256 << 10, /* Bytes of a prompt after which texts are cut. */
};

struct mail_prompt {
    const struct mail *mail;
    bool first;                /* No other mail stands before it. */
    bool by_port;              /* The reader reaches drover by a port alone, with a token. */
    int64_t failures;          /* Turns that were given it, and failed. */
    struct bytes about_status; /* Status of the task that it is about; "": none. */
    bool about_over;           /* Whether that status is final. */
};
void mail_prompt_write(const struct mail_prompt *prompt, struct text *text);

#endif
