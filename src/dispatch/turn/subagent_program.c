/* subagent_program.c: the program that spawn_subagent names. Its definition is looked for twice:
 * when the call is judged, so that nobody is asked about a name that is not there, and when the
 * call is made. From then on it stands in the row of the subagent's session. See work.h. */
#include <stdlib.h>

#include "agent/find.h"
#include "base/memory.h"
#include "dispatch/base/agent_order.h"
#include "dispatch/turn/work.h"

enum { NAMES_SHOWN_MAX = 1000 };

struct program_search {
    const struct turns_options *options;
    const char *root, *path; /* "": none. */
    struct spawn_request request;
    struct agent_order order; /* Owned: what was found. */
    enum card_cause cause;    /* CARD_DONE: there is one; else `why` says it to the model. */
    struct why why;
};

static void program_search_done(struct program_search *search) {
    agent_order_done(&search->order);
}

static void usable_add(void *ctx, const struct agent_seen *seen) {
    struct text *names = ctx;
    if (agent_may_start(seen->found)) {
        text_addf(names, "%s%s", names->len > 0 ? ", " : "", seen->what->name);
    }
}

static void unknown_refuse(struct program_search *search) {
    const struct agent_search places = {.root = search->root,
                                        .home = search->options->home,
                                        .path =
                                            search->path[0] != '\0' ? search->path : getenv("PATH"),
                                        .rows = search->options->agents};
    AUTO(text_done) struct text names = text_up_to(NAMES_SHOWN_MAX);
    agent_each(&places, usable_add, &names);
    search->cause = CARD_NOT_FOUND;
    why_set(&search->why,
            "There is no program '%.64s' that is an agent; there %s %s. Without \"agent\" the "
            "subagent is a model, as you are.",
            search->request.agent, names.len > 0 ? "are" : "is",
            names.len > 0 ? text_bytes(&names).data : "none");
}

static void program_search_run(struct program_search *search, const struct tool_call *call) {
    spawn_request_read(call, &search->request);
    agent_order_init(&search->order);
    search->cause = CARD_DONE;
    if (search->request.tools != NULL) {
        search->cause = CARD_BAD_ARGUMENTS;
        why_set(&search->why,
                "tools: a program has tools of its own; leave this out with \"agent\"");
        return;
    }
    const struct agent_wish wish = {.name = bytes_of(search->request.agent),
                                    .root = search->root,
                                    .home = search->options->home,
                                    .path = search->path,
                                    .rows = search->options->agents,
                                    .model = bytes_of(search->request.model),
                                    .first = AGENT_PROGRAMS_ONLY};
    agent_order_find(&wish, &search->order);
    if (search->order.kind == AGENT_ORDER_UNKNOWN) {
        unknown_refuse(search);
    } else if (search->order.kind == AGENT_ORDER_REFUSED) {
        search->cause = search->order.err.code == ERR_BAD_FIELD ? CARD_BAD_ARGUMENTS : CARD_REFUSED;
        search->why = search->order.why;
    }
}

bool subagent__is_program(const struct tool_call *call) {
    return call->id == TOOL_SPAWN_SUBAGENT && json_object_get(call->input, "agent") != NULL;
}

void subagent__look(const struct talk *talk, const struct tool_call *call, struct tool_look *look) {
    const struct bytes path = talk->plan.path, root = talk->plan.root;
    AUTO(mem_release) char *path_text = mem_copy(path.len > 0 ? path.data : "", path.len);
    AUTO(mem_release) char *root_text = mem_copy(root.len > 0 ? root.data : "", root.len);
    AUTO(program_search_done)
    struct program_search search = {
        .options = &talk->turns->options, .root = root_text, .path = path_text};
    program_search_run(&search, call);
    if (search.cause != CARD_DONE) {
        look->cause = search.cause;
        text_add_str(&look->refusal, search.why.text);
    }
}

void subagent__find(struct talk_work *work) {
    AUTO(program_search_done)
    struct program_search search = {
        .options = &work->talk->turns->options, .root = work->root, .path = work->path};
    program_search_run(&search, &work->call);
    if (search.cause != CARD_DONE) {
        failure_result_write(search.cause, search.why.text, &work->result);
        return;
    }
    work->fresh->program = search.order.program;
    work->fresh->model = search.order.model;
    search.order.program = search.order.model = (struct text){0}; /* Handed over. */
}
