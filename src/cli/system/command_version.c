/* command_version.c: drover version. */
#include <stdio.h>

#include "cli/base/action.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"

static struct err version_run(struct invocation *invocation) {
    if (invocation->json) {
        printf("{\"name\":\"drover\",\"version\":\"%s\"}\n", DROVER_VERSION);
    } else {
        printf("drover %s\n", DROVER_VERSION);
    }
    return ERR_OK;
}

const struct command command_version = {
    COMMAND(NULL, "version", NULL, "Show the version of this program."),
    HELP(HELP, "drover version\n"),
    .run = version_run,
};
