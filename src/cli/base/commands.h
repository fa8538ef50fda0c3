/* commands.h: the rows of the table; each stands in the file of its name.
 */
#ifndef DROVER_CLI_BASE_COMMANDS_H
#define DROVER_CLI_BASE_COMMANDS_H

#include "cli/base/args.h"

extern const struct command command_serve;
extern const struct command command_job_run, command_job_ls, command_job_logs, command_job_search,
    command_job_attach, command_job_wait, command_job_stop, command_job_abandon, command_job_rm;
extern const struct command command_run, command_pause, command_resume, command_restart;
extern const struct command command_ps, command_show, command_trace, command_attach, command_stop;
extern const struct command command_inbox_ls, command_inbox_show, command_inbox_retry,
    command_inbox_drop;
extern const struct command command_session_ls, command_session_search, command_session_show,
    command_session_new, command_session_rename, command_session_archive, command_session_rm,
    command_session_clear, command_session_compact, command_session_fork, command_session_export;
extern const struct command command_usage;
extern const struct command command_workflow_ls, command_workflow_show, command_workflow_check,
    command_workflow_plan, command_workflow_new;
extern const struct command command_memory_ls, command_memory_show, command_memory_rm;
extern const struct command command_root_ls, command_root_add, command_root_rm;
extern const struct command command_ask, command_chat, command_approve;
extern const struct command command_budget_ls, command_budget_show, command_budget_set,
    command_budget_rm;
extern const struct command command_host_ls, command_host_rm;
extern const struct command command_release;
extern const struct command command_stream_append, command_stream_tail, command_stream_ls,
    command_stream_show, command_stream_prune, command_stream_keep;
extern const struct command command_token_create, command_token_ls, command_token_revoke;
extern const struct command command_provider_ls, command_provider_add, command_provider_set,
    command_provider_test, command_provider_rm, command_provider_forget, command_models;
extern const struct command command_config_get, command_config_set;
extern const struct command command_backup, command_restore, command_doctor;
extern const struct command command_version, command_completion, command_help;

#endif
