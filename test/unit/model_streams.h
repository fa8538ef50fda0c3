/* model_streams.h: answers as the providers send them, each with thinking, text and two calls. */
#ifndef DROVER_TEST_MODEL_STREAMS_H
#define DROVER_TEST_MODEL_STREAMS_H

#include "model/connection.h"

/* Laid out by hand: an event a line, where it fits. */
/* clang-format off */
#define CHUNK(choice, more)                                                                        \
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","     \
    "\"choices\":[" choice "]" more "}\n\n"
#define DELTA(delta) CHUNK("{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}", "")
#define CALL(call) DELTA("\"tool_calls\":[" call "]")

#define OPENAI_UNTIL_FINISH                                                                        \
    DELTA("\"role\":\"assistant\",\"content\":\"\"")                                               \
    DELTA("\"reasoning_content\":\"let me see\"")                                                  \
    DELTA("\"content\":\"H\\u00e4\"")                                                              \
    DELTA("\"content\":\"llo\"")                                                                   \
    CALL("{\"index\":0,\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"read\","   \
         "\"arguments\":\"\"}}")                                                                   \
    CALL("{\"index\":0,\"function\":{\"arguments\":\"{\\\"path\\\": \"}}")                         \
    CALL("{\"index\":0,\"function\":{\"arguments\":\"\\\"x\\\"}\"}}")                              \
    CALL("{\"index\":1,\"id\":\"call_b\",\"type\":\"function\",\"function\":{"                     \
         "\"name\":\"list\","                                                                      \
         "\"arguments\":\"{}\"}}")
#define OPENAI_FINISH CHUNK("{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}", "")
#define OPENAI_USAGE                                                                               \
    CHUNK("", ",\"usage\":{\"prompt_tokens\":120,\"completion_tokens\":30,\"total_tokens\":150,"   \
              "\"prompt_tokens_details\":{\"cached_tokens\":100},"                                 \
              "\"completion_tokens_details\":{\"reasoning_tokens\":10}}")
#define OPENAI_STREAM OPENAI_UNTIL_FINISH OPENAI_FINISH OPENAI_USAGE "data: [DONE]\n\n"
#define OPENAI_TOLD                                                                                \
    "k(let me see)s(reasoning_content)t(H\xc3\xa4)t(llo)<0 call_a read>a0({\"path\": )"            \
    "a0(\"x\"})<1 call_b list>a1({})<0/ call_a read {\"path\": \"x\"}><1/ call_b list {}>"

#define EVENT(name, data) "event: " name "\ndata: {\"type\":\"" name "\"" data "}\n\n"
#define BLOCK_DELTA(index, delta)                                                                  \
    EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{" delta "}")
#define BLOCK_STOP(index) EVENT("content_block_stop", ",\"index\":" index)

#define ANTHROPIC_UNTIL_STOP                                                                       \
    EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":"         \
                           "\"assistant\",\"content\":[],"                                         \
                           "\"usage\":{\"input_tokens\":20,\"cache_creation_input_tokens\":5,"     \
                           "\"cache_read_input_tokens\":100,\"output_tokens\":1}}")                \
    EVENT("content_block_start", ",\"index\":0,\"content_block\":{\"type\":\"thinking\","          \
                                 "\"thinking\":\"\",\"signature\":\"\"}")                          \
    EVENT("ping", "")                                                                              \
    BLOCK_DELTA("0", "\"type\":\"thinking_delta\",\"thinking\":\"let me see\"")                    \
    BLOCK_DELTA("0", "\"type\":\"signature_delta\",\"signature\":\"c2ln==\"")                      \
    BLOCK_STOP("0")                                                                                \
    EVENT("content_block_start", ",\"index\":1,\"content_block\":{\"type\":"                       \
                                 "\"text\",\"text\":\"\"}")                                        \
    BLOCK_DELTA("1", "\"type\":\"text_delta\",\"text\":\"H\xc3\xa4\"")                             \
    BLOCK_DELTA("1", "\"type\":\"text_delta\",\"text\":\"llo\"")                                   \
    BLOCK_STOP("1")                                                                                \
    EVENT("content_block_start", ",\"index\":2,\"content_block\":{\"type\":\"tool_use\","          \
                                 "\"id\":\"toolu_a\",\"name\":\"read\",\"input\":{}}")             \
        BLOCK_DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"\"")                    \
            BLOCK_DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"path\\\": \"") \
                BLOCK_DELTA("2", "\"type\":\"input_json_delta\",\"partial_json\":\"\\\"x\\\"}\"")  \
                    BLOCK_STOP("2") EVENT("content_block_start",                                   \
                                          ",\"index\":3,\"content_block\":{\"type\":\"tool_use\"," \
                                          "\"id\":\"toolu_b\",\"name\":\"list\",\"input\":{}}")    \
                        BLOCK_STOP("3") EVENT(                                                     \
                            "message_delta",                                                       \
                            ",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"    \
                            "\"usage\":{\"output_tokens\":42}")
#define ANTHROPIC_STREAM ANTHROPIC_UNTIL_STOP EVENT("message_stop", "")
#define ANTHROPIC_TOLD                                                                             \
    "k(let me see)s(c2ln==)t(H\xc3\xa4)t(llo)<0 toolu_a read>a0({\"path\": )a0(\"x\"})"            \
    "<1 toolu_b list><0/ toolu_a read {\"path\": \"x\"}><1/ toolu_b list {}>"

#define ITEM(event, index, item)                                                                   \
    EVENT("response.output_item." event, ",\"output_index\":" index ",\"item\":{" item "}")
/* A call whose arguments are an object. */
#define RESPONSES_CALL(index, id, name, status)                                                    \
    ITEM("added", index,                                                                           \
         "\"type\":\"function_call\",\"call_id\":\"" id "\",\"name\":\"" name "\"")                \
    EVENT("response.function_call_arguments.delta",                                                \
          ",\"output_index\":" index ",\"delta\":\"{}\"")                                          \
    ITEM("done", index,                                                                            \
         "\"type\":\"function_call\",\"call_id\":\"" id "\",\"status\":\"" status "\"")
#define RESPONSES_UNTIL_END                                                                        \
    EVENT("response.created", ",\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\"}")      \
    EVENT("response.in_progress", ",\"response\":{\"id\":\"resp_1\",\"error\":null}")              \
    ITEM("added", "0", "\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]")                    \
    EVENT("response.reasoning_summary_text.delta", ",\"delta\":\"let me see\"")                    \
    ITEM("done", "0",                                                                              \
         "\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],\"encrypted_content\":\"gAAA\","   \
         "\"status\":\"completed\"")                                                               \
    ITEM("added", "1", "\"type\":\"message\",\"id\":\"msg_1\",\"content\":[]")                     \
    EVENT("response.content_part.added", ",\"part\":{\"type\":\"output_text\",\"text\":\"\"}")     \
    EVENT("response.output_text.delta", ",\"delta\":\"H\\u00e4\"")                                 \
    EVENT("response.output_text.delta", ",\"delta\":\"llo\"")                                      \
    EVENT("response.output_text.done", ",\"text\":\"H\\u00e4llo\"")                                \
    ITEM("added", "2",                                                                             \
         "\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"call_a\",\"name\":\"read\","    \
         "\"arguments\":\"\",\"status\":\"in_progress\"")                                          \
    EVENT("response.function_call_arguments.delta",                                                \
          ",\"output_index\":2,\"delta\":\"{\\\"path\\\": \"")                                     \
    EVENT("response.function_call_arguments.delta",                                                \
          ",\"output_index\":2,\"delta\":\"\\\"x\\\"}\"")                                          \
    ITEM("done", "2",                                                                              \
         "\"type\":\"function_call\",\"call_id\":\"call_a\",\"name\":\"read\","                    \
         "\"arguments\":\"{\\\"path\\\": \\\"x\\\"}\",\"status\":\"completed\"")                   \
    ITEM("added", "3",                                                                             \
         "\"type\":\"function_call\",\"call_id\":\"call_b\",\"name\":\"list\",\"arguments\":\"\"") \
    ITEM("done", "3",                                                                              \
         "\"type\":\"function_call\",\"call_id\":\"call_b\",\"name\":\"list\",\"arguments\":\"\"," \
         "\"status\":\"completed\"")
#define RESPONSES_END                                                                              \
    EVENT("response.completed",                                                                    \
          ",\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"error\":null,\"usage\":{"   \
          "\"input_tokens\":120,\"input_tokens_details\":{\"cached_tokens\":100},"                 \
          "\"output_tokens\":30,\"output_tokens_details\":{\"reasoning_tokens\":10},"              \
          "\"total_tokens\":150}}")
#define RESPONSES_STREAM RESPONSES_UNTIL_END RESPONSES_END
#define RESPONSES_TOLD                                                                             \
    "k(let me see)s({\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[],"                       \
    "\"encrypted_content\":\"gAAA\"})t(H\xc3\xa4)t(llo)<0 call_a read>a0({\"path\": )"             \
    "a0(\"x\"})<0/ call_a read {\"path\": \"x\"}><1 call_b list><1/ call_b list {}>"
/* clang-format on */

static const struct model_stream {
    enum model_kind kind;
    const char *path, *bytes, *told;
    size_t enough; /* So many bytes are a whole answer. */
} model_streams[] = {
    /* What comes behind the reason to finish may be missing. Of that event, all but its empty
     * line. */
    {MODEL_KIND_OPENAI, "/v1/chat/completions", OPENAI_STREAM, OPENAI_TOLD,
     sizeof OPENAI_UNTIL_FINISH - 1 + sizeof OPENAI_FINISH - 1 - 2},
    {MODEL_KIND_RESPONSES, "/v1/responses", RESPONSES_STREAM, RESPONSES_TOLD,
     sizeof RESPONSES_STREAM - 1 - 2},
    {MODEL_KIND_ANTHROPIC, "/v1/messages", ANTHROPIC_STREAM, ANTHROPIC_TOLD,
     sizeof ANTHROPIC_STREAM - 1 - 2},
};

#endif
