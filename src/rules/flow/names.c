/* names.c: the words for kinds, states, phases, rules and causes. See flow.h. */
#include "rules/flow/flow.h"

#define X(value, name) name,
const char *const flow_kind_names[] = {FLOW_KINDS(X) NULL};
const char *const flow_status_names[] = {FLOW_STATUSES(X) NULL};
const char *const flow_phase_names[] = {FLOW_PHASES(X) NULL};
const char *const flow_trigger_names[] = {FLOW_TRIGGERS(X) NULL};
const char *const flow_cause_names[] = {FLOW_CAUSES(X) NULL};
#undef X
