/* fuzz_native.c: any bytes as the file of a session of Claude Code or Codex, which the program, or
 * any tool that it ran, may have written.
 *
 * What is read is within the limits of native.h, its texts are what databases take, its arguments
 * are JSON, every tool has ended, and the reader by which a turn goes on is one that can be loaded.
 * What cannot be read has a sentence, and leaves nothing.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/native.h"
#include "base/fd.h"
#include "base/utf8.h"

#define ID "7f3c2b1a-0d4e-4f5a-8b6c-9d0e1f2a3b4c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds) {
    if (!holds) {
        abort();
    }
}

static void look_at_text(struct bytes text, size_t max) {
    require(text.len <= max && utf8_valid(text.data, text.len));
    require(text.len == 0 || memchr(text.data, '\0', text.len) == NULL);
}

static size_t look_at_part(const struct message_part *part) {
    const bool tool = part->kind == PART_TOOL;
    look_at_text(part->text, tool ? NATIVE_RESULT_MAX : NATIVE_TEXT_MAX);
    look_at_text(part->name, PROGRAM_LINE_MAX);
    look_at_text(part->call, PROGRAM_LINE_MAX);
    look_at_text(part->data, 2 * NATIVE_ARGUMENTS_MAX);
    require(tool || part->kind == PART_TEXT);
    require(!tool || (json_is_valid(part->data) && part->state != PART_STATE_RUNNING));
    return part->text.len + part->name.len + part->call.len + part->data.len;
}

static void look_at(const struct native_session *session, const struct agent_definition *what) {
    size_t bytes = 0;
    require(session->count <= NATIVE_MESSAGES_MAX);
    for (size_t i = 0; i < session->count; i++) {
        const struct native_message *message = &session->list[i];
        require(message->count <= NATIVE_PARTS_MAX);
        require(message->role == ROLE_USER || message->role == ROLE_ASSISTANT);
        for (size_t j = 0; j < message->count; j++) {
            bytes += look_at_part(&message->parts[j]);
        }
    }
    require(bytes == session->bytes);
    struct program_reader *reader = program_reader_new(program_find(bytes_of(what->program)), what);
    require(program_reader_load(reader, text_bytes(&session->reader)));
    require(bytes_is(program_seen(reader).native, ID));
    program_reader_free(reader);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    json_setup();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static const char *const programs[] = {"claude", "codex"};
    AUTO(fd_release) int fd = memfd_create("session", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    for (size_t i = 0; i < COUNT_OF(programs); i++) {
        const struct agent_definition what = {.name = "a", .program = programs[i]};
        const struct native_wish wish = {.what = &what, .root = "/", .id = BYTES(ID)};
        struct native_session session = {.count = 0};
        struct why why = {""};
        if (err_failed(native_read_file(&wish, fd, &session, &why))) {
            require(why.text[0] != '\0' && session.list == NULL && session.count == 0);
        } else {
            look_at(&session, &what);
            native_done(&session);
        }
    }
    return 0;
}
