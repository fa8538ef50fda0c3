/* commands.h: the rows of the table; each stands in the file of its name.
 */
#ifndef DROVER_CLI_COMMANDS_H
#define DROVER_CLI_COMMANDS_H

#include "cli/args.h"

extern const struct command command_serve;
extern const struct command command_job_run, command_job_ls, command_job_logs, command_job_search,
    command_job_attach, command_job_wait, command_job_stop, command_job_rm;
extern const struct command command_ps, command_show, command_attach, command_stop;
extern const struct command command_inbox_ls, command_inbox_show, command_inbox_retry,
    command_inbox_drop;
extern const struct command command_release;
extern const struct command command_stream_append, command_stream_tail, command_stream_ls,
    command_stream_show, command_stream_prune, command_stream_keep;
extern const struct command command_token_create, command_token_ls, command_token_revoke;
extern const struct command command_backup, command_restore, command_doctor;
extern const struct command command_version, command_completion, command_help;

#endif
