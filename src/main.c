/* main.c: one binary, daemon and client; cli/ knows the commands. */
#include "base/memory.h"
#include "cli/base/cli.h"
#include "main/daemon.h"

int main(int argc, char **argv) {
    mem_give_back();
    return cli_main(argc, (const char *const *)argv, daemon_run);
}
