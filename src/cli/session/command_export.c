/* command_export.c: drover session export: all of a session, to stdout. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/api.h"
#include "cli/base/cli.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"

static const struct flag export_flags[] = {
    OPTION_TEXT("format", 'f', "FORMAT", "How it is written.", .choices = "markdown|json",
                .absent = "markdown"),
    OPTION_END,
};

/* A file gets the bytes as they are; a terminal must not be driven by what a model said. */
static struct err piece_print(struct bytes piece, bool terminal) {
    size_t written = 0;
    if (!terminal) {
        written = fwrite(piece.data, 1, piece.len, stdout);
    }
    for (; terminal && written < piece.len; written++) {
        unsigned char c = (unsigned char)piece.data[written];
        if (putchar((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f ? '?' : c) == EOF) {
            break;
        }
    }
    return written == piece.len ? ERR_OK : err_make(ERR_IO, "session: write");
}

static struct err pour(struct talk *talk, const struct client_request *request, struct why *why) {
    bool terminal = isatty(STDOUT_FILENO) == 1;
    struct bytes piece = {"", 1};
    struct err err = client_begin(talk->client, request, why);
    while (!err_failed(err) && piece.len > 0) {
        err = client_read(talk->client, 30 * 1000, &piece, why);
        if (!err_failed(err) && piece.len > 0) {
            err = piece_print(piece, terminal);
        }
    }
    return err;
}

static struct err export_run(struct invocation *invocation) {
    const char *format = invocation->json ? "json" : args_text(&invocation->args, "format");
    AUTO(talk_close) struct talk talk = {.interrupt_fd = -1};
    AUTO(text_done) struct text target = {0};
    bool markdown = strcmp(format, "markdown") == 0;
    if (!talk_target(&target, "/api/v1/sessions/", invocation->args.operands[0],
                     markdown ? "/export?format=markdown" : "/export")) {
        return err_make(ERR_NOT_FOUND, "session: id");
    }
    const struct client_request request = {.method = "GET",
                                           .target = target.data,
                                           .accept =
                                               markdown ? "text/markdown" : "application/json"};
    struct err err = talk_open(&talk, invocation);
    return err_failed(err) ? err : pour(&talk, &request, &invocation->why);
}

const struct command command_session_export = {
    .group = "session",
    .name = "export",
    .summary = "Print a session with all its messages.",
    .operands = "ID",
    .flags = export_flags,
    .talks = true,
    .run = export_run,
};
