/* kinds.c: the table of cli/run/kinds.h, which stands here because all kinds are known here. */
#include "cli/run/kinds.h"

#include "cli/flow/watch.h"
#include "cli/job/watch.h"
#include "cli/run/view.h"
#include "cli/turn/attach.h"
#include "cli/workflow/show.h"
#include "cli/workflow/watch.h"

static struct err turn_attach(struct invocation *invocation, struct talk *talk, json_t *run) {
    return turn_look_run(invocation, talk, run, args_on(&invocation->args, "new"));
}

static struct err workflow_attach(struct invocation *invocation, struct talk *talk, json_t *run) {
    struct workflow_watch watch = {.invocation = invocation,
                                   .talk = talk,
                                   .run = talk_text(run, "id"),
                                   .label = run_label(run),
                                   .row = run,
                                   .retry_ms = args_int(&invocation->args, "retry-for", 0),
                                   .only_new = args_on(&invocation->args, "new")};
    return workflow_watch(&watch);
}

const struct run_kind_view run_kind_views[] = {
    {.name = "job", .attach = job_attach},
    {.name = "turn", .attach = turn_attach},
    {.name = "workflow", .show = workflow_show, .attach = workflow_attach},
    {.name = "agent", .show = workflow_show},
    {.name = "flow", .show = flow_show, .attach = flow_attach},
    {.name = NULL},
};
