/* fields.c: the fields of a job, as POST /api/v1/jobs takes them and `drover job run` sends them.
 * Order: that of the help, of the request and of its description. What fields mean together is
 * checked by engine/job/spec.c. */
#include "rules/job/job.h"

/* A number and a text with their bounds, and the flag of a field. */
#define AT(member) offsetof(struct job_spec, member)
#define INT(field, member, low, high)                                                              \
    .name = field, .kind = FIELD_INT, .at = AT(member), .min = low, .max = high
#define CHARS(field, member, low, high)                                                            \
    .name = field, .kind = FIELD_CHARS, .at = AT(member), .min = low, .max = high
#define JSON(field, member, of) .name = field, .kind = FIELD_JSON, .at = AT(member), .schema = of
#define FLAG_LETTER(flag_name, short_name, flag_kind, placeholder, help)                           \
    .flag = {.name = flag_name,                                                                    \
             .letter = short_name,                                                                 \
             .kind = flag_kind,                                                                    \
             .value = placeholder,                                                                 \
             .about = help}
/* Shown by lists of runs, too, where it is given; such texts are short, since lists are long. No
 * field of a run (rules/run/fields.c) has that name. */
#define LISTED .use = FIELD_GIVEN | FIELD_LISTED, .empty = FIELD_EMPTY_LEFT_OUT

static const char *const switch_names[] = {"on", "off", NULL};
/* Bit n of enum retry_on is name n. */
static const char *const retry_names[] = {"failed", "timed_out", "lost", NULL};
static_assert(RETRY_FAILED == 1 && RETRY_TIMED_OUT == 2 && RETRY_LOST == 4, "bits of retry_names");

static const struct field terminal_rows[] = {
    {INT("rows", rows, 1, JOB_TERMINAL_MAX), .absent = 24},
    {INT("columns", columns, 1, JOB_TERMINAL_MAX), .absent = 80},
};
const struct field_set job_terminal_fields = {FIELD_ROWS(terminal_rows), .use = FIELD_GIVEN};

static const struct field limit_rows[] = {
    {INT("memory", memory, JOB_MEMORY_MIN, JOB_MEMORY_MAX),
     FLAG_SIZED("memory", 1, "Limit the memory of each of its processes: 1G.")},
    {INT("output", output, JOB_OUTPUT_MIN, JOB_OUTPUT_LIMIT_MAX), .absent = JOB_LOG_DEFAULT,
     FLAG_SIZED("output", 1, "Keep this much of each output stream: its head and its tail.")},
    {INT("processes", processes, 1, JOB_PROCESSES_MAX),
     FLAG("processes", FLAG_INT, "N", "Stop it when it has more than N processes at once.")},
};
static const struct field_set limits = {FIELD_ROWS(limit_rows), .use = FIELD_GIVEN};

static const struct field retry_rows[] = {
    {INT("max", retry.max, 0, JOB_RETRY_MAX), .required = true,
     FLAG("retry", FLAG_INT, "N", "Retry up to N times after the first attempt [0].")},
    {FIELD("on", FIELD_NAMES, AT(retry.on)), .names = retry_names, .min = 1, .max = 3,
     .absent = RETRY_FAILED,
     FLAG("retry-on", FLAG_TEXT, "STATES",
          "Retry after these ends: failed, timed_out, lost [failed].")},
    {INT("backoff", retry.backoff_ms, 0, RETRY_BACKOFF_MAX_MS), .absent = RETRY_BACKOFF_MS,
     FLAG("backoff", FLAG_DURATION, "TIME",
          "Wait this long before the first retry; doubles each time [1s].")},
};
static const struct field_set retry = {FIELD_ROWS(retry_rows), .use = FIELD_GIVEN};

static const struct field rows[] = {
    {FIELD("argv", FIELD_TEXTS, AT(argv)), .min = 1, .max = JOB_ARGS_MAX},
    {CHARS("shell", shell, 1, JOB_WORD_MAX),
     FLAG("shell", FLAG_SWITCH, NULL,
          "Run CMD, which is one word, as a line of /bin/sh [no shell].")},
    {CHARS("cwd", cwd, 1, JOB_CWD_MAX),
     FLAG("cwd", FLAG_TEXT, "DIR", "Run in this folder [the current one].")},
    {JSON("env", env, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"),
     FLAG_LETTER("env", 'e', FLAG_LIST, "NAME[=VALUE]",
                 "Set a variable; without a value, pass yours on. Repeatable.")},
    {CHARS("path", path, 1, JOB_PATH_MAX)},
    {CHARS("stdin", input, 0, RUN_SPEC_MAX),
     FLAG("stdin", FLAG_TEXT, "FILE",
          "Send this file as input; '-' forwards standard input [none].")},
    {FIELD("stdin_open", FIELD_BOOL, AT(input_open))},
    {JSON("pty", pty_asked,
          "{\"oneOf\":[{\"type\":\"boolean\"},{\"type\":\"object\",\"properties\":{\"rows\":"
          "{\"type\":\"integer\"},\"columns\":{\"type\":\"integer\"}}}]}"),
     FLAG_LETTER("pty", 't', FLAG_SWITCH, NULL,
                 "Run it in a terminal of its own, where stdout and stderr are one stream.")},
    {INT("timeout_ms", timeout_ms, 1, JOB_TIMEOUT_MAX_MS), LISTED,
     FLAG("timeout", FLAG_DURATION, "TIME", "Stop each attempt after this time: 30s, 2h.")},
    {.name = "limits", .kind = FIELD_OBJECT, .fields = &limits},
    {CHARS("key", key, 1, JOB_KEY_MAX), .plain = true,
     FLAG("key", FLAG_TEXT, "KEY", "Share the limit of --key-max with all jobs of this key.")},
    {INT("key_max", key_max, 1, JOB_KEY_RUNS_MAX),
     FLAG("key-max", FLAG_INT, "N", "Run at most N jobs of this key at once [1].")},
    {INT("priority", priority, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX),
     FLAG("priority", FLAG_INT, "N", "Start before queued jobs of lower priority [0].")},
    {FIELD("once", FIELD_BOOL, AT(once)),
     FLAG("once", FLAG_SWITCH, NULL,
          "Run it at most once: after a crash it is lost (outcome_unknown).")},
    {FIELD("sandbox", FIELD_CHARS, AT(sandbox_asked)), .names = switch_names,
     FLAG("sandbox", FLAG_SWITCH, NULL,
          "Let it write only in its folder, and read nothing of drover's.")},
    {CHARS("label", label, 1, JOB_LABEL_MAX), .plain = true,
     FLAG_LETTER("label", 'l', FLAG_TEXT, "TEXT",
                 "Name it in lists; commands take this in place of its id [the command].")},
    {.name = "retry", .kind = FIELD_OBJECT, .fields = &retry},
    {JSON("notify", notify, "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"),
     FLAG("notify", FLAG_LIST, "URL",
          "Notify this URL, or the session ses_…, when it ends. Repeatable.")},
    {FIELD("project", FIELD_CHARS, AT(project)),
     FLAG("project", FLAG_TEXT, "NAME", "Charge the budget of this project, too.")},
    {JSON("budget", budget_asked, "{\"type\":\"object\"}"),
     FLAG("budget", FLAG_LIST, "LIMIT=VALUE",
          "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable.")},
};

const struct field_set job_fields = {
    FIELD_ROWS(rows),
    .use = FIELD_GIVEN,
    .schema = ",\"oneOf\":[{\"required\":[\"argv\"]},{\"required\":[\"shell\"]}]",
};
