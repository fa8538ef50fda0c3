/* confirm.c: see confirm.h. */
#include "cli/terminal/confirm.h"

#include <stdio.h>
#include <unistd.h>

#include "cli/terminal/lines.h"
#include "cli/terminal/raw_terminal.h"

bool confirm_possible(void) {
    return raw_terminal_possible() && !raw_terminal_background();
}

struct err confirm_ask(const char *question, int interrupt_fd, bool *ret_yes) {
    AUTO(lines_done) struct lines lines;
    struct bytes line = {0};
    printf("%s [y/N] ", question);
    (void)fflush(stdout); /* A failure shows again at the end. */
    lines_init(&lines, STDIN_FILENO, interrupt_fd);
    TRY(lines_next(&lines, &line));
    *ret_yes = line.len > 0 && (line.data[0] == 'y' || line.data[0] == 'Y');
    return ERR_OK;
}
