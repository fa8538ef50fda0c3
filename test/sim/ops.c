/* ops.c: all parts, and which operation is the n-th. */
#include "ops.h"

#include "boards.h"
#include "flows.h"
#include "folder.h"
#include "inside.h"
#include "mails.h"

enum { KILLS = 4, BUDGETS = 6, ANSWERS = 5 };

const struct sim_part *const sim_parts[] = {
    &part_agents,   &part_processes, &part_control,        &part_servers,      &part_known,
    &part_asked,    &part_sessions,  &part_turns,          &part_late,         &part_branches,
    &part_prompts,  &part_workflows, &part_check_sessions, &part_budgets,      &part_served,
    &part_jobs,     &part_streams,   &part_once,           &part_settings,     &part_memory,
    &part_schemas,  &part_images,    &part_approvals,      &part_folds,        &part_followed,
    &part_policies, &part_inbox,     &part_texts,          &part_outages,      &part_sleeps,
    &part_progress, &part_boards,    &part_check_boards,   &part_mail,         &part_check_mail,
    &part_hosts,    &part_flows,     &part_folder,         &part_check_points,
};
const size_t sim_parts_count = COUNT_OF(sim_parts);

/* Operations of boards, mail, flows and points come where there are any, those of hosts where there
 * are several: other seeds do the same as if there were no such part. */
static bool part_acts(const struct sim_options *options, const struct sim_part *part) {
    return part == &part_boards   ? boards_play(options)
           : part == &part_mail   ? mails_play(options)
           : part == &part_flows  ? flows_play(options)
           : part == &part_folder ? folder_plays(options)
                                  : part != &part_hosts || options->hosts > 1;
}

/* Where points are taken: conversations that write the folder, jobs and people beside them. */
static uint64_t part_weight_in_changes(const struct sim_options *options,
                                       const struct sim_part *part) {
    return part == &part_folder      ? 8
           : part == &part_sessions  ? 4
           : part == &part_agents    ? 3
           : part == &part_jobs      ? 2
           : part == &part_control   ? 2
           : part == &part_turns     ? 1
           : part == &part_approvals ? 1
           : part == &part_hosts     ? options->hosts > 1
                                     : 0;
}

/* Times that the weights of the part count. */
static uint64_t part_weight(const struct sim_options *options, const struct sim_part *part) {
    if (options->mix == SIM_MIXED) {
        return part_acts(options, part) ? 1 : 0;
    }
    if (options->mix == SIM_CHANGES) {
        return part_weight_in_changes(options, part);
    }
    return part == &part_flows       ? 1
           : part == &part_control   ? KILLS
           : part == &part_asked     ? BUDGETS
           : part == &part_approvals ? ANSWERS
           : part == &part_hosts     ? options->hosts > 1
                                     : 0;
}

static const struct sim_op *op_at(const struct sim_options *options, uint64_t drawn,
                                  uint64_t *ret_sum) {
    uint64_t sum = 0;
    for (size_t i = 0; i < sim_parts_count; i++) {
        const uint64_t times = part_weight(options, sim_parts[i]);
        const struct sim_op *op = sim_parts[i]->ops;
        for (; times > 0 && op != NULL && op->name != NULL; op++) {
            sum += op->weight * times;
            if (drawn < sum) {
                return op;
            }
        }
    }
    *ret_sum = sum;
    return NULL;
}

const struct sim_op *ops_pick(const struct sim_options *options, unsigned number) {
    uint64_t sum = 0;
    (void)op_at(options, UINT64_MAX, &sum);
    assert(sum > 0);
    return op_at(options, sim_hash(options->seed, number, "operation", 0) % sum, &sum);
}
