/* parameters.h: the parameters of a request that not every provider takes, and how a refusal of one
 * is recognised.
 *
 * Providers that speak one interface differ in what they take. A request that names a parameter
 * which its model does not know is refused as a whole, with a 400 or a 422 that names it. So a call
 * that was refused for a parameter that it had is made again without it, or with the other spelling
 * (model/calls/posting.c); what is known beforehand is not tried at all.
 *
 *   max_tokens ──refused──> max_completion_tokens ──refused──> none (and the other way round)
 *   json_schema ──> json_object ──> the schema in the prompt alone
 *   role system ──> role developer ──> the beginning of the first message of a user
 *   a user's message after a tool's result ──> a word of the assistant between them
 *   calls of tools in a history, and no tools beside it ──> the tools, without tool_choice
 *   schemas of tools ──> any object, with the schema in the tool's description (of that call only)
 *   tools ──> left out where none may be called; else the call fails, and so does the next one
 *   any other ──> left out
 *
 * Promise    a refusal names a parameter that was sent, or none: so each repetition of a call has
 *            fewer of them, and their number is an upper bound.
 * Threads    any; pure.
 */
#ifndef DROVER_RULES_PROVIDER_PARAMETERS_H
#define DROVER_RULES_PROVIDER_PARAMETERS_H

#include "base/base.h"
#include "base/text.h"

/* Name in rows, in the API and for people. */
#define PROVIDER_PARAMETERS(X)                                                                     \
    X(EFFORT, "reasoning_effort")                                                                  \
    X(MAX_TOKENS, "max_tokens")                                                                    \
    X(MAX_COMPLETION_TOKENS, "max_completion_tokens")                                              \
    X(JSON_SCHEMA, "json_schema")                                                                  \
    X(JSON_OBJECT, "json_object")                                                                  \
    X(STREAM_OPTIONS, "stream_options")                                                            \
    X(TOOL_CHOICE, "tool_choice")                                                                  \
    X(SYSTEM, "system_role")                                                                       \
    X(DEVELOPER, "developer_role")                                                                 \
    X(SUMMARY, "reasoning_summary")                                                                \
    X(ENCRYPTED, "encrypted_reasoning")                                                            \
    X(WEB_SEARCH, "web_search")                                                                    \
    X(USER_AFTER_TOOL, "user_after_tool")                                                          \
    X(CALLS_ALONE, "calls_without_tools")                                                          \
    X(TOOL_SCHEMAS, "tool_schemas")                                                                \
    X(TOOLS, "tools")
enum provider_parameter {
#define X(parameter, name) PARAMETER_##parameter,
    PROVIDER_PARAMETERS(X)
#undef X
        PARAMETER_COUNT
};

typedef uint32_t parameter_set;
#define PARAMETER_SET(parameter) (UINT32_C(1) << PARAMETER_##parameter)
static inline parameter_set parameter_of(enum provider_parameter parameter) {
    return UINT32_C(1) << parameter;
}

MUST_CHECK bool parameter_find(struct bytes name, enum provider_parameter *ret_parameter);
/* Names of a set, with `between` between them. */
void parameters_join(parameter_set set, const char *between, struct text *text);
/* Phrase for the note of a run whose model was asked without them; nothing for none. */
void parameters_note(parameter_set without, struct text *note);

/* Receiver of a call: host and port of the base URL, and the model without its connection. */
struct parameter_target {
    struct bytes host, model;
};
/* Parameters that are known to be refused there, without asking. */
parameter_set parameters_known(const struct parameter_target *target);
/* Parameters that a call leaves out: expected refusals, and those that the model has shown. If it
 * refuses the one spelling that is left by these, it is asked with the other one. */
parameter_set parameters_left_out(parameter_set expected, parameter_set shown);
/* Whether a format of the answer may stand beside tools. Local servers let the format win, and
 * never call a tool. */
MUST_CHECK bool parameters_beside_tools(const struct parameter_target *target);

struct parameter_refusal {
    parameter_set parameters; /* Refused, all of them sent; 0: it is refused for something else. */
    /* The value was at fault: a limit too high, a schema with a word that it lacks. So it says
     * nothing about the next call. */
    bool passing;
};
/* Answer of a provider that is no success, as it came: its status and its body. */
struct parameter_refusal parameters_refused(int status, struct bytes body, parameter_set sent);

#endif
