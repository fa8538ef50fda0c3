/* subagent_program.c: the program that spawn_subagent names: its definition is found in the pool,
 * and stands in the row of the subagent's session from then on. See work.h. */
#include <stdlib.h>

#include "agent/find.h"
#include "base/memory.h"
#include "dispatch/turn/work.h"

enum { NAMES_SHOWN_MAX = 1000 };

static void program_refuse(struct talk_work *work, enum card_cause cause, const char *words) {
    failure_result_write(cause, words, &work->result);
}

static void program_see(void *ctx, const struct agent_seen *seen) {
    struct talk_work *work = ctx;
    struct rows_fresh *fresh = work->fresh;
    struct agent_definition what = *seen->what;
    struct spawn_request request;
    spawn_request_read(&work->call, &request);
    if (!agent_may_start(seen->found)) {
        struct why why;
        why_set(&why, "The agent '%.64s' is %s: %s", what.name, agent_found_names[seen->found],
                seen->why);
        program_refuse(work, CARD_REFUSED, why.text);
        return;
    }
    what.model = request.model[0] != '\0' ? request.model : what.model;
    text_addf(&fresh->model, "%s/%.200s", what.name, what.model != NULL ? what.model : "default");
    work->err = agent_definition_write(&what, &fresh->program);
}

static void usable_add(void *ctx, const struct agent_seen *seen) {
    struct text *names = ctx;
    if (agent_may_start(seen->found)) {
        text_addf(names, "%s%s", names->len > 0 ? ", " : "", seen->what->name);
    }
}

static void unknown_refuse(struct talk_work *work, const struct agent_search *search,
                           const char *name) {
    AUTO(text_done) struct text names = text_up_to(NAMES_SHOWN_MAX);
    struct why why;
    agent_each(search, usable_add, &names);
    why_set(&why,
            "There is no program '%.64s' that is an agent; there %s %s. Without \"agent\" the "
            "subagent is a model, as you are.",
            name, names.len > 0 ? "are" : "is", names.len > 0 ? text_bytes(&names).data : "none");
    program_refuse(work, CARD_NOT_FOUND, why.text);
}

static void program_run(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    const struct turns_options *options = &work->talk->turns->options;
    const struct agent_search search = {.root = work->root,
                                        .home = options->home,
                                        .path = work->path[0] != '\0' ? work->path : getenv("PATH"),
                                        .rows = options->agents};
    struct spawn_request request;
    spawn_request_read(&work->call, &request);
    work->err = ERR_OK;
    text_clear(&work->result.content);
    work->result.cause = CARD_DONE;
    if (request.tools != NULL) {
        program_refuse(work, CARD_BAD_ARGUMENTS,
                       "tools: a program has tools of its own; leave this out with \"agent\"");
    } else if (!agent_find(&search, bytes_of(request.agent), program_see, work)) {
        unknown_refuse(work, &search, request.agent);
    }
}

static void program_done(struct pool_job *job) {
    struct talk_work *work = CONTAINER_OF(job, struct talk_work, job);
    if (!work__is_back(work)) {
        return;
    }
    if (err_failed(work->err)) {
        failure_result_write(
            CARD_NO_MEMORY, "There was no memory to find this agent; try it again.", &work->result);
    }
    if (work->result.cause == CARD_DONE) {
        rows__send(work);
    } else {
        work__settle(work);
    }
}

void subagent__find_program(struct talk_work *work) {
    text_init(&work->fresh->program, AGENT_DEFINITION_MAX);
    text_init(&work->fresh->model, (size_t)AGENT_NAME_MAX + 300);
    work__pool(work, program_run, program_done);
}
