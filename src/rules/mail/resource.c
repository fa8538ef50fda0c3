/* resource.c: the fields of a mail. Order: that of the answer. */
#include "rules/mail/mail.h"

#define AT(member) offsetof(struct mail, member)

enum { GIVEN = FIELD_GIVEN | FIELD_SHOWN };

const char *const mail_status_names[] = {
#define X(status, name) name,
    MAIL_STATUSES(X)
#undef X
        NULL};

static const char *const types[] = {MAIL_REQUEST, MAIL_INFORM, NULL};

static const struct field rows[] = {
    {ROW_NUMBER(AT(id))},
    {FIELD("id", FIELD_TEXT, AT(mail)), .required = true, .column = "mail", .group = FIELD_INSERTED,
     FIELD_HEAD("MAIL", -(FIELD_ID_WIDTH + 1))},
    {ROW_OWNER(AT(owner))},
    {ROW_ONCE("project", FIELD_TEXT, AT(project)), .use = GIVEN, .max = 64, .plain = true,
     .empty = FIELD_EMPTY_NULL,
     FILTER_TEXT(FIELD_EQUAL, "project", 0, "NAME", "those to agents of this project."),
     .head = "PROJECT",
     FLAG("project", FLAG_TEXT, "NAME",
          "Project in which its receiver is; in a run, that of the run.")},
    {FIELD("from", FIELD_TEXT, AT(from)), .column = "sender", .group = FIELD_INSERTED, .use = GIVEN,
     .max = MAIL_ADDRESS_MAX, .plain = true, FILTER_SEARCH("title, sender or receiver"),
     FIELD_HEAD("FROM", -12)},
    {FIELD("to", FIELD_TEXT, AT(to)), .column = "receiver", .group = FIELD_INSERTED, .use = GIVEN,
     .max = MAIL_ADDRESS_MAX, .plain = true, .filter = FIELD_SEARCH, FIELD_HEAD("TO", -12)},
    {ROW_ONCE("type", FIELD_TEXT, AT(type)), .use = GIVEN, .names = types, .max = 16,
     FIELD_HEAD("TYPE", -7)},
    {ROW_EACH("status", FIELD_NAME, AT(status)), .required = true, .names = mail_status_names,
     .filter = FIELD_ANY_OF,
     .filter_about = "Only those with this status, or with one of several (a,b).",
     .filter_flag = {.name = "status",
                     .kind = FLAG_LIST,
                     .value = "STATUS",
                     .choices = MAIL_STATUS_WORDS,
                     .about = "List only those with this status, or one of several: a,b."},
     FIELD_HEAD("STATUS", -9)},
    {ROW_EACH("cause", FIELD_TEXT, AT(cause)), .empty = FIELD_EMPTY_NULL, .head = "BECAUSE"},
    {ROW_ONCE("in_reply_to", FIELD_TEXT, AT(in_reply_to)), .use = GIVEN, .max = ID_SIZE,
     .empty = FIELD_EMPTY_NULL,
     FILTER_TEXT(FIELD_EQUAL, "answers", 0, "MAIL", "those that answer this mail."),
     .head = "ANSWERS"},
    {FIELD("supersedes", FIELD_TEXT, AT(supersedes)), .use = FIELD_GIVEN, .max = ID_SIZE,
     FLAG("supersedes", FLAG_TEXT, "MAIL", "Mail that it replaces, if that is not read yet.")},
    {ROW_ONCE("about", FIELD_TEXT, AT(about)), .use = GIVEN, .max = MAIL_ABOUT_MAX, .plain = true,
     .empty = FIELD_EMPTY_NULL, .head = "ABOUT",
     FLAG("about", FLAG_TEXT, "TASK", "Task that it is about: T-31.")},
    {ROW_ONCE("urgent", FIELD_BOOL, AT(urgent)), .use = GIVEN, .empty = FIELD_EMPTY_LEFT_OUT,
     FLAG("urgent", FLAG_SWITCH, NULL,
          "Hand it to a busy receiver between two calls of tools, not after the turn.")},
    {ROW_ONCE("depth", FIELD_INT, AT(depth)), .required = true, .head = "DEPTH"},
    {ROW_ONCE("session", FIELD_TEXT, AT(session)), .empty = FIELD_EMPTY_NULL, .head = "SESSION"},
    {ROW_ONCE("from_session", FIELD_TEXT, AT(from_session)), .empty = FIELD_EMPTY_NULL,
     .head = "SENT IN"},
    {ROW_ONCE("from_project", FIELD_TEXT, AT(from_project)), .use = FIELD_KEPT},
    {ROW_EACH("turn", FIELD_TEXT, AT(turn)), .empty = FIELD_EMPTY_NULL, .head = "READ IN"},
    {ROW_EACH("message", FIELD_TEXT, AT(message)), .use = FIELD_KEPT},
    {ROW_EACH("delivery", FIELD_TEXT, AT(delivery)), .use = FIELD_KEPT},
    {ROW_EACH("attempts", FIELD_INT, AT(attempts)), .required = true, .head = "ATTEMPTS"},
    {ROW_MADE(AT(made_ms)), FILTER_SINCE("sent"), .width = -FIELD_TIME_WIDTH},
    {ROW_CHANGED(AT(changed_ms))},
    {ROW_ONCE("title", FIELD_TEXT, AT(title)), .use = GIVEN, .max = MAIL_TITLE_MAX, .plain = true,
     .filter = FIELD_SEARCH, FIELD_HEAD("TITLE", FIELD_REST),
     FLAG("title", FLAG_TEXT, "TEXT", "Its title: a line of at most 100 characters.")},
    {ROW_ONCE("text", FIELD_TEXT, AT(text)), .use = FIELD_GIVEN | FIELD_WHOLE, .max = MAIL_TEXT_MAX,
     .fit = FIELD_BELOW},
};

const struct resource mail_resource = {
    .name = "mail",
    .plural = "mails",
    .path = "/api/v1/mail",
    .table = "mail",
    .of_project = true,
    .key = "id",
    .prefix = "mail",
    .fields = {FIELD_ROWS(rows), .use = FIELD_SHOWN},
    .size = sizeof(struct mail),
    .routes = {[RESOURCE_LIST] = {.scope = SCOPE_READ, .summary = "List mail, newest first"},
               [RESOURCE_SHOW] = {.scope = SCOPE_READ, .summary = "Show a mail, with its text"},
               [RESOURCE_REMOVE] = {.scope = SCOPE_APPROVE,
                                    .summary = "Remove a mail that is over, for good"}},
};
