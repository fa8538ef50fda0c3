/* roles.c: a table of prompts and answers, and a template language of two marks: $T is the subject
 * of the prompt (a question, a goal, a folder), $N the number of a part. */
#include "model/scripted/roles.h"

#include <string.h>

#include "base/json/json.h"
#include "base/json/schema.h"
#include "base/utf8.h"

enum { SUBJECT_MAX = 200 };

/* Sentence that opens each report. */
#define BY_SCRIPT                                                                                  \
    "Written by drover's scripted model, which asks no provider and knows nothing of the "         \
    "subject: this shows the form of a report, not its facts."

/* A finding of a review, as JSON. */
#define FINDING(file, line, title, severity, why, fix)                                             \
    "{\"file\":\"" file "\",\"line\":" line ",\"title\":\"" title "\",\"severity\":\"" severity    \
    "\",\"why\":\"Scripted example: " why "\",\"fix\":\"" fix "\"}"
#define FINDINGS(list) "{\"findings\":[" list "]}"

/* A plan of three steps, with `more` of them before the last one, as JSON. */
#define PLAN(more)                                                                                 \
    "{\"summary\":\"" BY_SCRIPT " The goal: $T\",\"steps\":["                                      \
    "{\"title\":\"Look at what is there\",\"detail\":\"List what the goal touches, and who owns "  \
    "it.\",\"done_when\":\"The list has been read by its owners.\"},"                              \
    "{\"title\":\"Try it small\",\"detail\":\"Do it once, for one case, with somebody "            \
    "watching.\","                                                                                 \
    "\"done_when\":\"The one case works for a week.\"}," more                                      \
    "{\"title\":\"Do the rest\",\"detail\":\"Take the remaining cases in order of their risk.\","  \
    "\"done_when\":\"The list is empty.\"}],\"assumptions\":[\"The owners have time this "         \
    "month.\"]}"

struct role {
    const char *begins;         /* Beginning of the prompt. */
    const char *holds[2];       /* Texts that stand in it, too; NULL: none. */
    const char *before, *after; /* The subject stands between these; after NULL: a line's end. */
    const char *number_before;  /* NULL: $N does not occur. */
    const char *answer;
};

/* The first that fits counts. */
static const struct role roles[] = {
    /* deep-research */
    {"Split this question",
     {NULL},
     "Question: ",
     NULL,
     NULL,
     "{\"questions\":[\"What is established about this: $T\",\"Where do the sources disagree on "
     "this, and why: $T\",\"What would change the answer to this: $T\"]}"},
    {"Find the best sources",
     {NULL},
     "(It is part of: ",
     ")",
     "Question ",
     "{\"sources\":[{\"url\":\"https://example.org/part-$N/overview\",\"title\":\"An overview, "
     "part $N\",\"why\":\"It defines the terms that the question uses.\"},{\"url\":"
     "\"https://example.org/part-$N/measurements\",\"title\":\"Measurements, part $N\",\"why\":"
     "\"It publishes its data, so that others can repeat the work.\"}]}"},
    {"Fetch these sources",
     {NULL},
     "Question: ",
     NULL,
     "(Part ",
     "{\"claims\":[{\"claim\":\"Part $N: the terms are used in two senses, which explains most of "
     "the disagreement.\",\"url\":\"https://example.org/part-$N/overview\",\"quote\":\"Two "
     "communities use the same word for different things.\",\"confidence\":\"medium\"},{\"claim\":"
     "\"Part $N: the result depends more on the conditions than on the method.\",\"url\":"
     "\"https://example.org/part-$N/measurements\",\"quote\":\"Conditions explain four fifths of "
     "the variance.\",\"confidence\":\"high\"}]}"},
    {"You did not take part in this research",
     {"Look only for claims that contradict"},
     "Question: ",
     NULL,
     NULL,
     "{\"problems\":[]}"},
    {"You did not take part in this research",
     {"Look only for what the question needs"},
     "Question: ",
     NULL,
     NULL,
     "{\"problems\":[{\"claim\":\"The result depends more on the conditions than on the method.\","
     "\"problem\":\"No claim says which conditions were tried.\",\"severity\":\"medium\"}]}"},
    {"You did not take part in this research",
     {NULL},
     "Question: ",
     NULL,
     NULL,
     "{\"problems\":[{\"claim\":\"The terms are used in two senses.\",\"problem\":\"It rests on a "
     "single overview.\",\"severity\":\"low\"}]}"},
    {"Answer the question from these claims",
     {NULL},
     "Question: ",
     NULL,
     NULL,
     "{\"answer\":\"" BY_SCRIPT
     "\\n\\nThe question was: $T\\n\\nIn short: what is measured depends "
     "more on the conditions than on the method, and most of the disagreement goes back to terms "
     "that are used in two senses. Name the conditions first, then compare.\",\"findings\":[{"
     "\"finding\":\"The result depends more on the conditions than on the method.\",\"confidence\":"
     "\"medium\",\"sources\":[\"https://example.org/part-1/measurements\","
     "\"https://example.org/part-2/measurements\"]},{\"finding\":\"The terms are used in two "
     "senses, which explains most of the disagreement.\",\"confidence\":\"low\",\"sources\":["
     "\"https://example.org/part-1/overview\"]}],\"open\":[\"Which conditions were tried, and "
     "which were left out?\"]}"},

    /* review-code, multi-review */
    {"Review ",
     {" for correctness"},
     "Review ",
     " for ",
     NULL,
     FINDINGS(FINDING("src/queue.c", "88", "An empty queue is read as full", "high",
                      "After the last element was taken, head and tail are equal, and the next "
                      "caller waits for ever.",
                      "Keep a count, or leave one slot unused.") "," //
              FINDING("src/parse.c", "41", "The error of a short read is lost", "medium",
                      "A read that returns fewer bytes ends the loop as if the file had ended.",
                      "Tell the end of the file from an error."))},
    {"Review ",
     {" for security"},
     "Review ",
     " for ",
     NULL,
     FINDINGS(FINDING("src/server.c", "132", "A path from the request is opened unchecked",
                      "critical",
                      "A name with ../ leaves the folder of uploads, and any file can be read.",
                      "Open it beneath the folder, and refuse what leads out."))},
    {"Review ",
     {" for performance"},
     "Review ",
     " for ",
     NULL,
     FINDINGS(FINDING("src/index.c", "57", "Each insertion sorts the whole list", "low",
                      "The time grows with the square of the entries; at 10,000 it shows.",
                      "Sort once, after the last insertion."))},
    {"Review ",
     {" for code health"},
     "Review ",
     " for ",
     NULL,
     FINDINGS(FINDING("src/parse.c", "12", "One function reads, checks and stores", "medium",
                      "It has 240 lines, and no test reaches its last third.",
                      "Make three functions of it, each with a test.") "," //
              FINDING("src/util.c", "9", "The name says less than the function does", "low",
                      "get() also writes the cache.", "Call it load_and_cache()."))},
    {"Review ",
     {" for standards"},
     "Review ",
     " for ",
     NULL,
     FINDINGS(FINDING("src/util.c", "9", "A function named get has a side effect", "low",
                      "The guide asks for a verb that names the effect.",
                      "Call it load_and_cache()."))},
    {"Which of these findings of a review", {"2. ", "3. "}, "", "", NULL, "{\"groups\":[[1,3]]}"},
    {"Which of these findings of a review", {NULL}, "", "", NULL, "{\"groups\":[]}"},
    {"Write the report of a code review of ",
     {NULL},
     "review of ",
     ": first",
     NULL,
     "**" BY_SCRIPT "**\n\n# Review of $T\n\nNot ready to be merged: one critical finding.\n\n"
     "1. **critical**, src/server.c:132: a path from the request is opened unchecked. Open it "
     "beneath the folder of uploads.\n"
     "2. **high**, src/queue.c:88: an empty queue is read as full. Keep a count.\n"
     "3. **medium**, src/parse.c:41: the error of a short read is lost. Tell the end of the file "
     "from an error.\n"
     "4. **low**, src/index.c:57: each insertion sorts the whole list. Sort once.\n"},

    /* find-issues: the second round finds nothing new. */
    {"Look for issues in ",
     {"by reading", "Round 1."},
     "issues in ",
     ", by ",
     NULL,
     "{\"issues\":[" FINDING("src/form.c", "73", "A field is stored before it is checked", "high",
                             "an invalid value stays if the check fails.",
                             "Check first, then store.") "]}"},
    {"Look for issues in ",
     {"by doubt", "Round 1."},
     "issues in ",
     ", by ",
     NULL,
     "{\"issues\":[" FINDING("src/clock.c", "20", "The clock is assumed never to go back", "medium",
                             "after a correction, a wait lasts for hours.",
                             "Measure waits by the monotonic clock.") "]}"},
    {"Look for issues in ", {NULL}, "issues in ", ", by ", NULL, "{\"issues\":[]}"},

    /* plan-verify: the first plan lacks a step, the second one has it. */
    {"Plan how to reach this goal", {NULL}, "Goal: ", NULL, NULL, PLAN("")},
    {"Verify this plan",
     {"Judge only what is missing", "Rehearse the way back"},
     "Goal: ",
     NULL,
     NULL,
     "{\"holds\":true,\"objections\":[]}"},
    {"Verify this plan",
     {"Judge only what is missing"},
     "Goal: ",
     NULL,
     NULL,
     "{\"holds\":false,\"objections\":[{\"step\":\"Do the rest\",\"problem\":\"There is no way "
     "back if it fails in the middle.\",\"cure\":\"Rehearse the way back before the rest is "
     "done.\"}]}"},
    {"Verify this plan", {NULL}, "Goal: ", NULL, NULL, "{\"holds\":true,\"objections\":[]}"},
    {"Mend this plan",
     {NULL},
     "Goal: ",
     NULL,
     NULL,
     PLAN("{\"title\":\"Rehearse the way back\",\"detail\":\"Undo the one case, and do it again.\","
          "\"done_when\":\"It was undone in an hour, by somebody who did not write the plan.\"},")},
    {"Turn this plan into work items",
     {NULL},
     "Goal: ",
     NULL,
     NULL,
     "{\"items\":[{\"title\":\"List what is touched\",\"detail\":\"One page, with owners.\","
     "\"done_when\":\"Each owner has agreed.\",\"after\":[]},{\"title\":\"Try one "
     "case\",\"detail\":"
     "\"The smallest one, with somebody watching.\",\"done_when\":\"It works for a week.\","
     "\"after\":[\"List what is touched\"]},{\"title\":\"Rehearse the way back\",\"detail\":\"Undo "
     "the one case.\",\"done_when\":\"It took less than an hour.\",\"after\":[\"Try one case\"]},"
     "{\"title\":\"Do the rest\",\"detail\":\"In order of their risk.\",\"done_when\":\"The list "
     "is "
     "empty.\",\"after\":[\"Rehearse the way back\"]}]}"},

    /* bounty-hunt */
    {"Hunt for security holes in ",
     {"class alone: injection"},
     "holes in ",
     ", of this",
     NULL,
     FINDINGS(FINDING("src/search.c", "64", "The query becomes a part of the SQL text", "critical",
                      "a quote in the search field ends the string, and what "
                      "follows is run.",
                      "Bind it as a parameter."))},
    {"Hunt for security holes in ",
     {"class alone: authentication"},
     "holes in ",
     ", of this",
     NULL,
     FINDINGS(FINDING("src/session.c", "31", "A session outlives the password change", "medium",
                      "a stolen cookie works on after its owner has changed the "
                      "password.",
                      "End all sessions in the same transaction."))},
    {"Hunt for security holes in ", {NULL}, "holes in ", ", of this", NULL, FINDINGS("")},
    {"Somebody says that this is a security hole",
     {"outlives the password"},
     "hole in ",
     ".",
     NULL,
     "{\"confirmed\":false,\"reason\":\"The caller ends all sessions of the account right after: "
     "the window is closed.\"}"},
    {"Somebody says that this is a security hole",
     {NULL},
     "hole in ",
     ".",
     NULL,
     "{\"confirmed\":true,\"reason\":\"No caller checks the value, and a test request reached the "
     "statement.\",\"severity\":\"critical\"}"},
};

static bool holds(struct bytes text, const char *what) {
    return what == NULL || memmem(text.data, text.len, what, strlen(what)) != NULL;
}

static const struct role *role_find(struct bytes prompt) {
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        const struct role *role = &roles[i];
        size_t len = strlen(role->begins);
        if (prompt.len >= len && memcmp(prompt.data, role->begins, len) == 0 &&
            holds(prompt, role->holds[0]) && holds(prompt, role->holds[1])) {
            return role;
        }
    }
    return NULL;
}

/* The text between two others, at most to the end of its line. */
static struct bytes between(struct bytes text, const char *before, const char *after) {
    const char *begin = memmem(text.data, text.len, before, strlen(before));
    if (begin == NULL) {
        return BYTES("");
    }
    begin += strlen(before);
    struct bytes rest = {begin, text.len - (size_t)(begin - text.data)}, line = BYTES("");
    (void)bytes_next(&rest, '\n', &line); /* Nothing follows: the line is empty. */
    const char *end = after != NULL ? memmem(line.data, line.len, after, strlen(after)) : NULL;
    line.len = end != NULL ? (size_t)(end - line.data) : line.len;
    line.len = utf8_cut(line, line.len < SUBJECT_MAX ? line.len : SUBJECT_MAX);
    return line;
}

static void template_add(const struct role *role, const struct script_role_prompt *prompt,
                         struct text *text) {
    struct bytes subject = between(prompt->text, role->before, role->after);
    struct bytes number =
        role->number_before != NULL ? between(prompt->text, role->number_before, NULL) : BYTES("");
    number.len = number.len > 0 ? 1 : 0;
    const char *at = role->answer;
    for (const char *mark; (mark = strchr(at, '$')) != NULL; at = mark + 2) {
        struct bytes value = mark[1] == 'N' ? number : subject;
        text_add(text, at, (size_t)(mark - at));
        if (prompt->schema.len > 0) {
            text_add_json_piece(text, value);
        } else {
            text_add(text, value.data, value.len);
        }
    }
    text_add_str(text, at);
}

/* A workflow of somebody's own may have copied the prompt, and want another form. */
static bool fits(struct bytes answer, struct bytes schema) {
    AUTO(json_release) json_t *value = NULL, *wanted = NULL;
    AUTO(json_schema_release) struct json_schema *compiled = NULL;
    struct why ignored = {""};
    struct json_faults faults = {.count = 0};
    return !err_failed(json_parse(answer.data, answer.len, JSON_DEPTH_MAX, &value, &ignored)) &&
           !err_failed(json_parse(schema.data, schema.len, JSON_DEPTH_MAX, &wanted, &ignored)) &&
           !err_failed(json_schema_compile(wanted, &compiled, &ignored)) &&
           !err_failed(json_schema_check(compiled, value, &faults));
}

bool script_role_answer(const struct script_role_prompt *prompt, struct text *text) {
    const struct role *role = role_find(prompt->text);
    bool structured = prompt->schema.len > 0;
    if (role == NULL || structured != (role->answer[0] == '{')) {
        return false;
    }
    size_t before = text->len;
    template_add(role, prompt, text);
    if (structured && !text_failed(text) &&
        !fits((struct bytes){text->data + before, text->len - before}, prompt->schema)) {
        text_cut(text, before);
        return false;
    }
    return true;
}
