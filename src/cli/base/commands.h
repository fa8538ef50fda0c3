/* commands.h: the rows of the table, in the order in which help shows them; each stands in the file
 * of its name.
 */
#ifndef DROVER_CLI_BASE_COMMANDS_H
#define DROVER_CLI_BASE_COMMANDS_H

#include "cli/base/args.h"

/* clang-format off */
#define COMMANDS(ROW)                                                                              \
    ROW(serve) ROW(status) ROW(open) ROW(shutdown) ROW(logs)                                       \
    ROW(job_run) ROW(job_ls) ROW(job_logs) ROW(job_search) ROW(job_attach)                         \
    ROW(job_wait) ROW(job_stop) ROW(job_abandon) ROW(job_rm) ROW(term_ls) ROW(term_new)            \
    ROW(term_attach) ROW(term_rename) ROW(term_restart) ROW(term_close)                            \
    ROW(run) ROW(pause) ROW(resume) ROW(retry) ROW(restart) ROW(ps) ROW(show) ROW(trace)           \
    ROW(blame) ROW(changes) ROW(diff) ROW(export) ROW(attach) ROW(ask) ROW(chat)                   \
    ROW(approve) ROW(stop) ROW(inbox_ls) ROW(inbox_show) ROW(inbox_retry) ROW(inbox_drop)          \
    ROW(session_ls) ROW(session_search) ROW(session_show) ROW(session_new) ROW(session_rename)     \
    ROW(session_move) ROW(session_archive) ROW(session_rm) ROW(session_clear)                      \
    ROW(session_compact) ROW(session_fork) ROW(session_rewind)                                     \
    ROW(worktree_ls) ROW(worktree_show) ROW(worktree_diff) ROW(worktree_apply) ROW(worktree_rm)    \
    ROW(worktree_prune) ROW(worktree_open)                                                         \
    ROW(session_export) ROW(root_ls) ROW(root_add) ROW(root_rm) ROW(project_ls) ROW(project_show)  \
    ROW(project_add) ROW(project_set) ROW(project_rm) ROW(board) ROW(task_add) ROW(task_ls)        \
    ROW(task_show) ROW(task_edit) ROW(task_claim) ROW(task_status) ROW(task_comment)               \
    ROW(task_output) ROW(task_review) ROW(task_retry) ROW(task_cancel) ROW(task_waive)             \
    ROW(task_rm) ROW(task_import) ROW(usage) ROW(flow_ls) ROW(flow_show) ROW(flow_check)           \
    ROW(flow_plan) ROW(flow_run) ROW(workflow_ls)                                                  \
    ROW(workflow_show) ROW(workflow_source) ROW(workflow_check) ROW(workflow_plan)                 \
    ROW(workflow_new) ROW(agent_run) ROW(agent_ls) ROW(agent_show) ROW(agent_add) ROW(agent_set)   \
    ROW(agent_rm) ROW(agent_test) ROW(mail_send) ROW(mail_ls) ROW(mail_show) ROW(mail_reply)       \
    ROW(mail_retract) ROW(mail_rm)                                                                 \
    ROW(memory_ls) ROW(memory_show) ROW(memory_rm) ROW(budget_ls) ROW(budget_show) ROW(budget_set) \
    ROW(budget_rm) ROW(host_ls) ROW(host_rm) ROW(release) ROW(stream_append) ROW(stream_tail)      \
    ROW(stream_ls) ROW(stream_show) ROW(stream_prune) ROW(stream_keep) ROW(token_create)           \
    ROW(token_ls) ROW(token_revoke) ROW(provider_ls) ROW(provider_add) ROW(provider_set)           \
    ROW(provider_test) ROW(provider_reset) ROW(provider_forget) ROW(provider_rm) ROW(models)       \
    ROW(config_get) ROW(config_set) ROW(backup) ROW(restore) ROW(doctor) ROW(du) ROW(bugreport)    \
    ROW(demo) ROW(service_install) ROW(service_rm) ROW(service_status) ROW(complete_words)         \
    ROW(version) ROW(completion) ROW(help)
/* clang-format on */

#define COMMAND_DECLARE(name_) extern const struct command command_##name_;
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

#endif
