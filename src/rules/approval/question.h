/* question.h: kinds of questions to a person, and the answers that fit. Pure.
 *
 *   kind      question                               answers, beside a no with a reason
 *   leave     may this call of a tool be made        allow
 *   answer    a model's own                          answer: any value
 *   confirm   a text                                 allow
 *   choice    a text and options                     choice: one of the options
 *   form      a text and a JSON Schema of fields     fields: an object that fits the schema
 *
 * Ownership  all is borrowed during the call.
 * Threads    any.
 * Failure    ERR_BAD_FIELD; `why` says what would fit.
 */
#ifndef DROVER_RULES_APPROVAL_QUESTION_H
#define DROVER_RULES_APPROVAL_QUESTION_H

#include "base/base.h"
#include "base/err.h"
#include "base/json/json.h"

enum {
    QUESTION_OPTIONS_MAX = 50,
    QUESTION_OPTION_MAX = 200,     /* Bytes of an option. */
    QUESTION_TEXT_MAX = 32 << 10,  /* Bytes of a question, */
    QUESTION_BYTES_MAX = 96 << 10, /* and of all of it as JSON. */
};

enum approval_kind {
    ASKS_LEAVE,
    ASKS_ANSWER,
    ASKS_CONFIRM,
    ASKS_CHOICE,
    ASKS_FORM,
    APPROVAL_KIND_COUNT
};
extern const char *const approval_kind_names[]; /* By value; NULL ends them. */

/* Forms of an answer. */
enum approval_verb {
    APPROVAL_ALLOW,
    APPROVAL_DENY,
    APPROVAL_ANSWER,
    APPROVAL_CHOICE,
    APPROVAL_FIELDS,
    APPROVAL_VERB_COUNT
};
/* Calls for which a yes holds. From APPROVAL_SESSION on it leaves a rule behind. */
enum approval_scope {
    APPROVAL_HERE,    /* As usual: a folder for its session, any other call once. */
    APPROVAL_ONCE,    /* For this very call. */
    APPROVAL_SESSION, /* For such calls of the session: a rule of its settings; */
    APPROVAL_PROJECT, /* and of all sessions of its project: a rule of the settings of that. */
};
extern const char *const approval_scope_names[]; /* By value, "" first; NULL ends them. */
/* Member of an answer that has a value; NULL: ALLOW and DENY have none. */
extern const char *const approval_verb_members[];

/* {"question", "options"?, "schema"?}: checks them, and finds the kind. */
MUST_CHECK struct err question_check(const json_t *question, enum approval_kind *ret_kind,
                                     struct why *why);

struct question_answer {
    enum approval_kind kind;
    struct bytes question; /* The same object, as text. */
    enum approval_verb verb;
    struct bytes text; /* An object with the member of the verb; else a reason. */
    enum approval_scope scope;
    bool folder; /* A folder is asked for, which is granted to the session or project. */
};
MUST_CHECK struct err question_check_answer(const struct question_answer *answer, struct why *why);

#endif
