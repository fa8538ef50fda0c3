/* command.c: how drover would start a program, as a line of JSON: {"argv", "input", "input_open"}.
 *
 *   agent-command PROGRAM PROMPT MESSAGE_UUID SESSION_UUID NATIVE      NATIVE may be ""
 */
#include <stdio.h>

#include "agent/program.h"

int main(int argc, char **argv) {
    json_setup();
    const struct program *program = argc == 6 ? program_find(bytes_of(argv[1])) : NULL;
    if (program == NULL) {
        (void)fprintf(stderr, "agent-command: wrong arguments\n");
        return 2;
    }
    const struct agent_definition agent = {.name = argv[1], .program = argv[1]};
    const struct program_start start = {.agent = &agent,
                                        .prompt = bytes_of(argv[2]),
                                        .message = bytes_of(argv[3]),
                                        .session = bytes_of(argv[4]),
                                        .native = bytes_of(argv[5])};
    AUTO(arena_done) struct arena arena;
    AUTO(text_done) struct text text = text_up_to(1 << 20);
    struct program_command command;
    arena_init(&arena, 1 << 20);
    if (err_failed(program_start_make(program, &start, &arena, &command))) {
        return 1;
    }
    text_add_str(&text, "{\"argv\":[");
    for (size_t i = 0; i < command.argc; i++) {
        text_add_str(&text, i > 0 ? "," : "");
        text_add_json(&text, command.argv[i], strlen(command.argv[i]));
    }
    text_add_char(&text, ']');
    text_add_member(&text, "input", command.input);
    text_add_member_bool(&text, "input_open", command.input_open);
    text_add_char(&text, '}');
    return text_failed(&text) || puts(text.data) < 0 ? 1 : 0;
}
