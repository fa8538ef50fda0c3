/* fields.c: the fields of a job, as POST /api/v1/jobs takes them and `drover job run` sends them.
 * Order: that of the help, of the request and of its description. What fields mean together is
 * checked by engine/job/spec.c. */
#include "rules/job/job.h"

/* A number and a text with their bounds, and the flag of a field. */
#define AT(member) .at = offsetof(struct job_spec, member)
#define INT(field, member, low, high)                                                              \
    .name = field, .kind = FIELD_INT, AT(member), .min = low, .max = high
#define CHARS(field, member, low, high)                                                            \
    .name = field, .kind = FIELD_CHARS, AT(member), .min = low, .max = high
#define JSON(field, member, of) .name = field, .kind = FIELD_JSON, AT(member), .schema = of
#define FLAG(flag_name, flag_kind, placeholder, help)                                              \
    .flag = {.name = flag_name, .kind = flag_kind, .value = placeholder, .about = help}
#define FLAG_LETTER(flag_name, short_name, flag_kind, placeholder, help)                           \
    .flag = {.name = flag_name,                                                                    \
             .letter = short_name,                                                                 \
             .kind = flag_kind,                                                                    \
             .value = placeholder,                                                                 \
             .about = help}
/* Shown by lists of runs, too, where it is given; such texts are short, since lists are long. No
 * field of a run (rules/run/fields.c) has that name. */
#define LISTED .use = FIELD_GIVEN | FIELD_LISTED, .empty = FIELD_EMPTY_LEFT_OUT
/* The bounds of a size are not those of the field. */
#define FLAG_OF_SIZE(flag_name, help)                                                              \
    .flag = {.name = flag_name,                                                                    \
             .kind = FLAG_SIZE,                                                                    \
             .value = "SIZE",                                                                      \
             .min = 1,                                                                             \
             .max = INT64_C(1) << 50,                                                              \
             .about = help}

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
     FLAG_OF_SIZE("memory", "Limit on the memory of each of its processes, like 1G.")},
    {INT("output", output, JOB_OUTPUT_MIN, JOB_OUTPUT_LIMIT_MAX), .absent = JOB_LOG_DEFAULT,
     FLAG_OF_SIZE("output", "Bytes that are kept of each output stream: its head and its tail.")},
    {INT("processes", processes, 1, JOB_PROCESSES_MAX),
     FLAG("processes", FLAG_INT, "N", "It is ended when it has more processes at once.")},
};
static const struct field_set limits = {FIELD_ROWS(limit_rows), .use = FIELD_GIVEN};

static const struct field retry_rows[] = {
    {INT("max", retry.max, 0, JOB_RETRY_MAX), .required = true,
     FLAG("retry", FLAG_INT, "N", "Attempts after the first one [0].")},
    {.name = "on",
     .kind = FIELD_NAMES,
     AT(retry.on),
     .names = retry_names,
     .min = 1,
     .max = 3,
     .absent = RETRY_FAILED,
     FLAG("retry-on", FLAG_TEXT, "STATES", "Of failed, timed_out, lost; commas between [failed].")},
    {INT("backoff", retry.backoff_ms, 0, RETRY_BACKOFF_MAX_MS), .absent = RETRY_BACKOFF_MS,
     FLAG("backoff", FLAG_DURATION, "TIME", "Wait before the first retry; it doubles [1s].")},
};
static const struct field_set retry = {FIELD_ROWS(retry_rows), .use = FIELD_GIVEN};

static const struct field rows[] = {
    {.name = "argv", .kind = FIELD_TEXTS, AT(argv), .min = 1, .max = JOB_ARGS_MAX},
    {CHARS("shell", shell, 1, JOB_WORD_MAX),
     FLAG("shell", FLAG_SWITCH, NULL,
          "CMD is one word, a line for /bin/sh; otherwise no shell sees it.")},
    {CHARS("cwd", cwd, 1, JOB_CWD_MAX),
     FLAG("cwd", FLAG_TEXT, "DIR", "Folder to run in [this one].")},
    {JSON("env", env, "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"),
     FLAG_LETTER("env", 'e', FLAG_LIST, "NAME[=VALUE]",
                 "Sets a variable; without a value it is passed on from here. Repeatable.")},
    {CHARS("path", path, 1, JOB_PATH_MAX)},
    {CHARS("stdin", input, 0, RUN_SPEC_MAX),
     FLAG("stdin", FLAG_TEXT, "FILE",
          "Its input, to its end; '-' is this command's own, as it comes [none].")},
    {.name = "stdin_open", .kind = FIELD_BOOL, AT(input_open)},
    {JSON("pty", pty_asked,
          "{\"oneOf\":[{\"type\":\"boolean\"},{\"type\":\"object\",\"properties\":{\"rows\":"
          "{\"type\":\"integer\"},\"columns\":{\"type\":\"integer\"}}}]}"),
     FLAG_LETTER("pty", 't', FLAG_SWITCH, NULL,
                 "Give it a terminal; stdout and stderr are one then.")},
    {INT("timeout_ms", timeout_ms, 1, JOB_TIMEOUT_MAX_MS), LISTED,
     FLAG("timeout", FLAG_DURATION, "TIME", "End each attempt after so long, like 30s or 2h.")},
    {.name = "limits", .kind = FIELD_OBJECT, .fields = &limits},
    {CHARS("key", key, 1, JOB_KEY_MAX), .plain = true,
     FLAG("key", FLAG_TEXT, "KEY", "Jobs with the same key share a limit: see --key-max.")},
    {INT("key_max", key_max, 1, JOB_KEY_RUNS_MAX),
     FLAG("key-max", FLAG_INT, "N", "At most so many of its key run at once [1].")},
    {INT("priority", priority, -JOB_PRIORITY_MAX, JOB_PRIORITY_MAX),
     FLAG("priority", FLAG_INT, "N", "Larger is sooner [0].")},
    {.name = "once",
     .kind = FIELD_BOOL,
     AT(once),
     FLAG("once", FLAG_SWITCH, NULL,
          "Never run it twice: rather lost (outcome_unknown) after a crash.")},
    {.name = "sandbox",
     .kind = FIELD_CHARS,
     AT(sandbox_asked),
     .names = switch_names,
     FLAG("sandbox", FLAG_SWITCH, NULL,
          "Let it write in its folder only, and see nothing of drover's.")},
    {CHARS("label", label, 1, JOB_LABEL_MAX), .plain = true,
     FLAG_LETTER("label", 'l', FLAG_TEXT, "TEXT",
                 "What it is for, for whoever reads the list [the command].")},
    {.name = "retry", .kind = FIELD_OBJECT, .fields = &retry},
    {JSON("notify", notify, "{\"type\":\"array\",\"items\":{\"type\":\"object\"}}"),
     FLAG("notify", FLAG_LIST, "URL",
          "Tell this URL, or the session ses_…, when it has ended. Repeatable.")},
    {.name = "project",
     .kind = FIELD_CHARS,
     AT(project),
     FLAG("project", FLAG_TEXT, "NAME", "Whose budget it is charged to, too.")},
    {JSON("budget", budget_asked, "{\"type\":\"object\"}"),
     FLAG("budget", FLAG_LIST, "LIMIT=VALUE",
          "Give it a budget of its own: wall=30m, cost=2.50, agents=5. Repeatable.")},
};

const struct field_set job_fields = {
    FIELD_ROWS(rows),
    .use = FIELD_GIVEN,
    .schema = ",\"oneOf\":[{\"required\":[\"argv\"]},{\"required\":[\"shell\"]}]",
};
