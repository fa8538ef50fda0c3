/* commands.h: the rows of the table; each stands in the file of its name.
 */
#ifndef DROVER_CLI_COMMANDS_H
#define DROVER_CLI_COMMANDS_H

#include "cli/args.h"

extern const struct command command_serve;
extern const struct command command_stream_append, command_stream_tail, command_stream_ls,
    command_stream_show, command_stream_prune, command_stream_keep;
extern const struct command command_token_create, command_token_ls, command_token_revoke;
extern const struct command command_backup, command_restore, command_doctor;
extern const struct command command_version, command_completion, command_help;

#endif
