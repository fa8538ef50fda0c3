/* notice_kinds.c: notices of features above turns: see engine/turn/notices.h. */
#include "engine/turn/notices.h"

#include "engine/mail/mail.h"

const struct notice_kind notice_kinds[] = {
    {.prefix = "mail_", .write = mail__notice_write},
    {.prefix = NULL},
};
