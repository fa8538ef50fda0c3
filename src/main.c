/* main.c: one binary: daemon, client, and the child of the daemon that looks at folders; cli/ knows
 * the commands. */
#include "base/memory.h"
#include "cli/base/cli.h"
#include "main/daemon.h"
#include "tool/changes/child.h"

int main(int argc, char **argv) {
    mem_give_back();
    if (argc > 0 && changes_child_is(argv[0])) {
        return changes_child_main(argc > 1 ? argv[1] : NULL);
    }
    return cli_main(argc, (const char *const *)argv, daemon_run);
}
