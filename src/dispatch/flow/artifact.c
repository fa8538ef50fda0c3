/* artifact.c: the report of a flow becomes a file below its root, as a tool would write it.
 *
 * The name may have been made of what agents said, so it is judged as the path of a call of
 * write_file: nothing outside of the root, no folder that says what git, drover or another program
 * runs, nothing that a rule of the project denies. The file is replaced whole. It is written before
 * the end of the run is stored: a daemon that is killed between the two writes the same again.
 */
#include "base/json/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "dispatch/flow/flow_run.h"
#include "engine/project/projects.h"
#include "loop/world.h"
#include "rules/approval/joined.h"
#include "tool/tool.h"

enum { FAULT_MAX = 500 };
#define TIME_NS (UINT64_C(30) * 1000 * 1000 * 1000)

static void artifact_refuse(struct flow_order *order, struct bytes why) {
    text_clear(&order->fault);
    text_add(&order->fault, why.data, utf8_cut(why, FAULT_MAX));
}

/* Settings that cannot be read deny. */
static json_t *rules_read(struct bytes settings) {
    json_t *rules = NULL;
    if (settings.len > 0 && err_failed(json_parse_wrapped(settings, &rules, NULL))) {
        rules = json_pack("{s:[n]}", "permissions");
    }
    return rules;
}

/* False: the order says why. */
static bool artifact_allowed(struct flow_order *order, const struct tool_call *call,
                             const struct tool_look *look, const struct permission_rules *rules) {
    struct bytes subjects[TOOL_SUBJECTS_MAX];
    for (size_t i = 0; i < look->subject_count; i++) {
        subjects[i] = text_bytes(&look->subjects[i]);
    }
    if (look->refusal.len > 0) {
        artifact_refuse(order, text_bytes(&look->refusal));
    } else if (!permission_edit_is_plain(subjects, look->subject_count)) {
        artifact_refuse(order, BYTES("the path is protected: it says what git, drover or another "
                                     "program runs, or leads out of the root"));
    } else if (tool_judge(call, look, rules).permission == PERMISSION_DENY) {
        artifact_refuse(order, BYTES("a rule of the project denies to write this file"));
    }
    return order->fault.len == 0;
}

static void artifact_write(struct flow_order *order, const struct tool_place *place) {
    AUTO(tool_call_done) struct tool_call call = {.id = TOOL_WRITE_FILE};
    AUTO(tool_look_done) struct tool_look look;
    AUTO(tool_result_done) struct tool_result result;
    const struct bytes path = text_bytes(&order->path), report = text_bytes(&order->text);
    call.input =
        json_pack("{s:s%, s:s%}", "path", path.data, path.len, "content", report.data, report.len);
    tool_look_init(&look);
    tool_result_init(&result);
    struct err err = call.input == NULL ? err_make(ERR_OUT_OF_MEMORY, "flows: artifact")
                                        : tool_look(&call, place, &look);
    if (!err_failed(err) && !artifact_allowed(order, &call, &look, place->rules)) {
        return;
    }
    err = err_failed(err) ? err : tool_perform(&call, place, &look, &result);
    if (err_failed(err)) {
        artifact_refuse(order, BYTES("there was no memory to write it"));
    } else if (result.cause != CARD_DONE) {
        artifact_refuse(order, text_bytes(&result.content));
    } else { /* Normalised. */
        text_clear(&order->path);
        text_add(&order->path, look.subjects[0].data, look.subjects[0].len);
    }
}

static void artifact_run(struct pool_job *job) {
    const struct flow_run *run = CONTAINER_OF(job, struct flow_run, job);
    const struct flows_options *options = &run->flows->options;
    const struct world *world = loop_world(options->room.loop);
    AUTO(json_release) json_t *rules = rules_read(text_bytes(&run->rules));
    AUTO(permission_joined_done) struct permission_joined joined = {.list = NULL};
    const struct permission_lists lists = {.project = rules};
    const struct tool_root root = {.path = text_bytes(&run->root).data, .access = ROOT_WRITE};
    const struct tool_place place = {.roots = &root,
                                     .root_count = 1,
                                     .home = "",
                                     .umask = options->umask,
                                     .closed = options->data_dir,
                                     .rules = &joined.rules,
                                     .world = world,
                                     .deadline_ns = world_mono_ns(world) + TIME_NS};
    permission_join(&lists, &joined);
    artifact_write(run->order, &place);
}

void flow_run__artifact_begin(struct flow_run *run) {
    if (run->root.len == 0) {
        artifact_refuse(run->order, BYTES("the run has no root folder, below which it could be"));
        flow_run__order_write(run);
        return;
    }
    flow_run__order_look(run, artifact_run);
}
