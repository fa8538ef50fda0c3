/* command_workflow.c: drover workflow ls, show: which workflows there are; check, new: for authors.
 * A file that is checked is read here as the daemon would read it; the engine is asked through a
 * daemon, if one runs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "cli/base/action.h"
#include "cli/base/api_request.h"
#include "cli/base/commands.h"
#include "cli/base/options.h"
#include "cli/base/project.h"
#include "cli/terminal/paint.h"
#include "cli/terminal/plain.h"
#include "cli/workflow/catalog.h"
#include "cli/workflow/request.h"
#include "script/catalog.h"

/* --- List ------------------------------------------------------------------------------------- */

static void phases_print(const json_t *workflow) {
    const json_t *phase = NULL;
    size_t at = 0;
    json_array_foreach(json_object_get(workflow, "phases"), at, phase) {
        const char *detail = talk_text(phase, "detail");
        printf("%-12s %s%s%s\n", at == 0 ? "phases" : "", talk_text(phase, "title"),
               detail[0] == '\0' ? "" : ": ", detail);
    }
}

static const struct column lines[] = {
    LINE("workflow", "name", COLUMN_TEXT),
    LINE("description", "description", COLUMN_TEXT),
    LINE("when to use", "when_to_use", COLUMN_OPTIONAL),
    LINE("file", "file", COLUMN_TEXT),
    LINE("form", "form", COLUMN_TEXT),
    LINE_PRINT("phases", phases_print),
    LINE("args", "args", COLUMN_JSON),
    LINE_PRINT("notes", catalog_notes_print),
    COLUMN_END,
};

static const struct catalog_view workflows = {
    .list = "GET /api/v1/workflows",
    .one = "GET /api/v1/workflows/{}",
    .rows = "workflows",
    .title = "WORKFLOW",
    .none = "There is no workflow. 'drover workflow new NAME' writes one.",
    .unknown = "there is no workflow '{}'",
    .lines = lines};

static struct err ls_run(struct invocation *invocation, struct talk *talk) {
    return catalog_list(invocation, talk, &workflows);
}

const struct command command_workflow_ls = {
    COMMAND("workflow", "ls", NULL, "List workflows: the project's, your own and built-in ones."),
    HELP(WORKFLOWS, "drover workflow ls\n"),
    .flags = catalog_list_flags,
    .about = "Workflows are read from .drover/workflows, .claude/workflows and\n"
             ".boocode/workflows: of the project folder and its parents in the repository,\n"
             "then of your home folder. The first workflow of a name is used; later ones are\n"
             "marked as shadowed, broken ones with their error.\n",
    .converse = ls_run,
};

/* --- Show ------------------------------------------------------------------------------------- */

static struct err show_run(struct invocation *invocation, struct talk *talk) {
    return catalog_show(invocation, talk, &workflows);
}

const struct command command_workflow_show = {
    COMMAND("workflow", "show", "NAME", "Show a workflow and its source."),
    HELP(WORKFLOWS, "drover workflow show review-code\n"),
    .flags = catalog_show_flags,
    .converse = show_run,
};

/* --- Source ----------------------------------------------------------------------------------- */

static void source_print(const json_t *answer) {
    (void)fputs(talk_text(answer, "source"), stdout); /* As for printf. */
}

static const struct flag source_flags[] = {
    OPTION_TEXT("file", 0, "NAME", "Print a script that workflow() used: its file, name or hash."),
    OPTION_END,
};

const struct command command_workflow_source = {
    COMMAND("workflow", "source", "WORKFLOW", "Print the script that a run of a workflow has."),
    HELP(WORKFLOWS, "drover workflow source last\n"),
    .flags = source_flags,
    .about = "A run keeps the script that it started with, even if the file has changed since.\n"
             "With --json, \"scripts\" lists the scripts that workflow() used in it.\n",
    ACTION("GET /api/v1/runs/{}/script", .params = {{"file", "file"}, {.flag = NULL}},
           .unknown = "there is no run '{}'; 'drover ps --all' lists runs that have ended",
           .print = source_print),
};

/* --- Check ------------------------------------------------------------------------------------ */

struct checking {
    struct invocation *invocation;
    struct paint paint;
    struct talk talk;  /* Owned. */
    struct err absent; /* Reason why the engine was not asked: holds for all that come, too. */
    bool failed;       /* A file has an error. */
};

static void problem_print(const struct checking *checking, const char *file,
                          const struct script_fault *fault, bool grave) {
    enum colour colour = grave ? COLOUR_RED : COLOUR_YELLOW;
    printf("%s:%u:%u: %s%s%s: %s\n", file, fault->line, fault->column,
           paint_begin(&checking->paint, colour), grave ? "error" : "warning",
           paint_end(&checking->paint, colour), fault->message);
}

static void verdict_print(const struct checking *checking, const char *file,
                          const struct script_verdict *verdict) {
    const struct script_prepared *prepared = verdict->prepared;
    bool grave = verdict->fault != NULL;
    if (verdict->fault != NULL) {
        problem_print(checking, file, verdict->fault, true);
    }
    for (unsigned i = 0; i < verdict->notes->count; i++) {
        const struct script_note *note = &verdict->notes->list[i];
        if (!note->doubt) {
            problem_print(checking, file, &note->fault, note->grave);
        }
        grave |= note->grave;
    }
    if (grave) {
        return;
    }
    enum colour colour = verdict->checked ? COLOUR_GREEN : COLOUR_YELLOW;
    printf("%s: %s%s%s: %s", file, paint_begin(&checking->paint, colour),
           verdict->checked ? "ok" : "not checked by the engine",
           paint_end(&checking->paint, colour), script_meta_name(prepared));
    if (!verdict->checked) {
        printf(": %s", checking->absent.code == ERR_UNREACHABLE
                           ? "no daemon answers; start one with `drover serve`"
                           : "the daemon could not say");
    }
    putchar('\n');
}

/* The daemon, which knows aliases, connections and types of agents, reports this note, or does not.
 */
static enum script_note_verdict note_judge(void *ctx, struct script_note *note) {
    const json_t *problems = ctx, *problem = NULL;
    size_t at = 0;
    json_array_foreach(problems, at, problem) {
        const char *code = talk_text(problem, "code");
        const char *const found = strcmp(code, NOTE_UNKNOWN_TOOL) == 0     ? NOTE_UNKNOWN_TOOL
                                  : strcmp(code, NOTE_BAD_AGENT_TYPE) == 0 ? NOTE_BAD_AGENT_TYPE
                                                                           : NULL;
        const bool of_type = note->about == NOTE_ABOUT_AGENT_TYPE && found != NULL;
        if ((of_type || strcmp(code, note->fault.code) == 0) &&
            talk_int(problem, "line") == note->fault.line &&
            talk_int(problem, "column") == note->fault.column) {
            note->fault.code = of_type ? found : note->fault.code;
            (void)snprintf(note->fault.message, sizeof note->fault.message, "%s",
                           talk_text(problem, "detail")); /* Cut to what fits. */
            return NOTE_CONFIRMED;
        }
    }
    return NOTE_DROPPED;
}

/* A daemon that is not there is asked once. What our own reader let pass can have but one thing
 * wrong that it does not say itself: its syntax. */
static struct err engine_ask(struct checking *checking, const char *file, struct bytes script,
                             struct script_notes *notes, struct script_verdict *verdict,
                             struct script_fault *fault) {
    AUTO(text_done) struct text body = text_up_to(3 << 20);
    AUTO(json_release) json_t *answer = NULL;
    struct err err = ERR_OK;
    char root[PATH_MAX];
    if (err_failed(checking->absent)) {
        return ERR_OK;
    }
    if (checking->talk.client == NULL) {
        err = talk_open(&checking->talk, checking->invocation);
    }

    text_add_char(&body, '{');
    text_add_member(&body, "script", script);
    text_add_member(&body, "file", bytes_of(file));
    if (!err_failed(project_find(checking->invocation, ".", root))) { /* Has agent types. */
        text_add_member(&body, "root", bytes_of(root));
    }
    text_add_char(&body, '}');
    const struct api_request check = {
        .method = "POST", .base = "/api/v1/scripts/check", .body = &body};
    /* Only the fact that the engine was not asked is reported. */
    err = err_failed(err) ? err : api_ask(&checking->talk, &check, &answer, NULL /* no why */);
    if (err.code == ERR_INTERRUPTED) {
        return err;
    }
    checking->absent = err.code == ERR_UNREACHABLE ? err : ERR_OK;
    verdict->checked = json_is_true(json_object_get(answer, "checked"));
    json_t *problems = json_object_get(answer, "problems");
    const json_t *problem = NULL;
    size_t at = 0;
    if (problems != NULL) {
        script_notes_resolve(notes, note_judge, problems);
    }
    json_array_foreach(problems, at, problem) {
        if (verdict->checked && verdict->fault == NULL &&
            strcmp(talk_text(problem, "code"), "syntax_error") == 0) {
            *fault = (struct script_fault){.line = (unsigned)talk_int(problem, "line"),
                                           .column = (unsigned)talk_int(problem, "column"),
                                           .code = "syntax_error"};
            (void)snprintf(fault->message, sizeof fault->message, "%s",
                           talk_text(problem, "detail")); /* Cut to what fits. */
            verdict->fault = fault;
        }
    }
    return ERR_OK;
}

/* A file's text, with a byte more than a script may have, so that its reader refuses it. */
static struct err file_read(struct invocation *invocation, const char *file, struct text *text) {
    char buffer[16 << 10];
    AUTO(fd_release) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t got = fd < 0 ? -1 : 1;
    while (got > 0 && text->len <= SCRIPT_SOURCE_MAX) {
        got = read(fd, buffer, sizeof buffer);
        text_add(text, buffer, got > 0 ? (size_t)got : 0);
    }
    if (got < 0) {
        int os = errno;
        return err_why(&invocation->why, os == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%.200s: %s", file,
                       strerror(os));
    }
    return text_failed(text) ? err_make(ERR_OUT_OF_MEMORY, "workflow: read") : ERR_OK;
}

/* The workflow that `run` would run by this name; no daemon is needed for that. */
static struct err name_read(struct invocation *invocation, const char *name,
                            struct catalog_script *ret_script) {
    const struct config_env *env = &invocation->env;
    char root[PATH_MAX];
    struct err err = project_find(invocation, ".", root);
    const struct catalog_search search = {.root = root,
                                          .home = env->get(env->ctx, "HOME"),
                                          .config_dir = env->get(env->ctx, "CLAUDE_CONFIG_DIR")};
    err =
        err_failed(err) ? err : catalog_find(&search, bytes_of(name), ret_script, &invocation->why);
    if (!err_failed(err) && ret_script->source == NULL) {
        return err_why(&invocation->why, ERR_IO, "%.200s: %s", ret_script->entry.file,
                       ret_script->entry.fault.message);
    }
    return err;
}

static struct err source_check(struct checking *checking, const struct script_source *source) {
    AUTO(script_prepared_done) struct script_prepared prepared = {.meta = NULL};
    const char *file = source->file.data;
    char room[PATH_MAX];
    const struct script_source titled = {.text = source->text,
                                         .file = bytes_of(workflow_file_title(file, room))};
    struct script_fault fault = {.line = 0};
    struct script_notes notes = {.count = 0};
    struct script_verdict verdict = {.notes = &notes};
    struct err err = script_prepare(&titled, &prepared, &fault);
    if (err.code == ERR_BAD_SCRIPT) {
        verdict.fault = &fault;
    } else if (!err_failed(err)) {
        verdict.prepared = &prepared;
        err = script_judge(&titled, &prepared, &notes);
        err = err_failed(err)
                  ? err
                  : engine_ask(checking, titled.file.data, source->text, &notes, &verdict, &fault);
    }
    if (err_failed(err) && err.code != ERR_BAD_SCRIPT) {
        return err;
    }
    checking->failed |= verdict.fault != NULL;
    for (unsigned i = 0; i < notes.count; i++) {
        checking->failed |= notes.list[i].grave;
    }
    if (checking->invocation->json) {
        AUTO(text_done) struct text name = text_up_to(64 << 10), row = text_up_to(4 << 20);
        text_add_json(&name, file, strlen(file));
        script_verdict_write(&verdict, &row);
        if (text_failed(&name) || text_failed(&row)) {
            return err_make(ERR_OUT_OF_MEMORY, "workflow: verdict");
        }
        printf("{\"file\":%s,%s\n", name.data, row.data + 1); /* A single object of both. */
        return ERR_OK;
    }
    verdict_print(checking, file, &verdict);
    return ERR_OK;
}

static struct err word_check(struct checking *checking, const char *word) {
    AUTO(text_done) struct text text = text_up_to(SCRIPT_SOURCE_MAX + (64 << 10));
    AUTO(catalog_script_done) struct catalog_script script = {.source = NULL};
    struct invocation *invocation = checking->invocation;
    struct script_source source = {.file = bytes_of(word)};
    struct err err = ERR_OK;
    if (workflow_word_kind(word) == WORKFLOW_WORD_NAME && access(word, F_OK) != 0) {
        err = name_read(invocation, word, &script);
        source.text = (struct bytes){script.source, script.len};
        source.file = bytes_of(script.entry.file != NULL ? script.entry.file : word);
    } else {
        err = file_read(invocation, word, &text);
        source.text = text_bytes(&text);
    }
    return err_failed(err) ? err : source_check(checking, &source);
}

static struct err check_run(struct invocation *invocation) {
    struct checking checking = {.invocation = invocation,
                                .talk = {.interrupt_fd = -1},
                                .paint = paint_of(STDOUT_FILENO, &invocation->env)};
    struct err err = ERR_OK;
    for (unsigned i = 0; i < invocation->args.operand_count && !err_failed(err); i++) {
        err = word_check(&checking, invocation->args.operands[i]);
    }
    talk_close(&checking.talk);
    invocation->exit_code = checking.failed ? err_exit_code(ERR_BAD_SCRIPT) : 0;
    return err;
}

const struct command command_workflow_check = {
    COMMAND("workflow", "check", "FILE|NAME…", "Check workflow scripts without running them."),
    HELP(WORKFLOWS, "drover workflow check .drover/workflows/mine.js\n"),
    .about = "An argument with a slash, or that names an existing file, is a path. Anything\n"
             "else is the name of a workflow, as for 'drover run'.\n"
             "\n"
             "Checks syntax, meta, forbidden statements, options and schemas of agent(),\n"
             "undefined names, and calls without await. Exits with 2 on an error; a warning is\n"
             "a line that may fail in a run. The daemon checks with its JavaScript engine, and\n"
             "checks names of agent types and providers; without a daemon, the output says so.\n",
    .talks = true,
    .run = check_run,
};

/* --- New -------------------------------------------------------------------------------------- */

/* Short enough to be read, and with most of what one needs. */
static const char template_head[] = "export const meta = {\n"
                                    "  name: \"";
static const char template_rest[] =
    "\",\n"
    "  description: \"Says what this workflow does, in one sentence.\",\n"
    "  phases: [{ title: \"Look\" }, { title: \"Report\" }],\n"
    "  args: {\n"
    "    type: \"object\",\n"
    "    properties: { target: { type: \"string\" } },\n"
    "  },\n"
    "};\n"
    "\n"
    "const { target = \".\" } = args ?? {};\n"
    "\n"
    "// All at once; who fails is null.\n"
    "phase(\"Look\");\n"
    "const findings = await parallel(\n"
    "  [\"correctness\", \"security\"].map((concern) => () =>\n"
    "    agent(`Look at ${target} for ${concern}. What is wrong, and where?`, {\n"
    "      label: concern,\n"
    "      schema: {\n"
    "        type: \"object\",\n"
    "        required: [\"problems\"],\n"
    "        properties: { problems: { type: \"array\", items: { type: \"string\" } } },\n"
    "      },\n"
    "    }),\n"
    "  ),\n"
    ");\n"
    "const problems = findings.flatMap((finding) => finding?.problems ?? []);\n"
    "log(`${problems.length} problems`);\n"
    "\n"
    "phase(\"Report\");\n"
    "return await agent(`Write a short report of these problems:\\n${problems.join(\"\\n\")}`);\n";

/* Never through a link: in somebody else's project it could lead anywhere. `path` begins with the
 * root of the project: a folder of its own in one of its folders would make that a project. */
static int file_create(const char *name, struct text *path) {
    static const char *const folders[] = {".drover", "workflows"};
    AUTO(fd_release) int fd = open(path->data, O_PATH | O_DIRECTORY | O_CLOEXEC);
    text_add_str(path, path->data[path->len - 1] == '/' ? "" : "/");
    for (size_t i = 0; fd >= 0 && i < COUNT_OF(folders); i++) {
        int next = -1;
        if (mkdirat(fd, folders[i], 0777) == 0 || errno == EEXIST) {
            next = openat(fd, folders[i], O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        }
        text_addf(path, "%s/", folders[i]);
        int os = errno;
        fd_release(&fd);
        errno = os;
        fd = next;
    }
    text_addf(path, "%s.js", name);
    const char *file = strrchr(path->data, '/') + 1;
    return fd < 0 ? -1 : openat(fd, file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}

static struct err new_run(struct invocation *invocation) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    const char *name = invocation->args.operands[0];
    size_t len = strlen(name);
    AUTO(text_done) struct text path = text_up_to(2 * LIMIT_PATH_MAX);
    char root[PATH_MAX];
    if (len == 0 || len > 64 || strspn(name, letters) != len) {
        return err_why(&invocation->why, ERR_USAGE, "NAME: 1 to 64 of A-Z, a-z, 0-9, '_', '-'");
    }
    TRY(project_find(invocation, ".", root));
    text_add_str(&path, root);
    AUTO(fd_release) int fd = file_create(name, &path);
    int os = errno;
    if (fd < 0 && os == EEXIST) {
        return err_why(&invocation->why, ERR_CONFLICT, "%.250s is there already", path.data);
    }
    if (fd < 0) {
        why_set(&invocation->why, "%.200s: %s", path.data, strerror(os));
        return err_from_errno(os, "workflow: new");
    }
    AUTO(text_done) struct text text = text_up_to(8 << 10);
    text_addf(&text, "// %s: run it with `drover run %s`.\n", name, name);
    text_addf(&text, "%s%s%s", template_head, name, template_rest);
    for (size_t at = 0; at < text.len;) {
        ssize_t wrote = write(fd, text.data + at, text.len - at);
        if (wrote < 0 && errno != EINTR) {
            os = errno;
            (void)unlink(path.data); /* Half of one is worse than none. */
            return err_from_errno(os, "workflow: new");
        }
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    if (invocation->json) {
        AUTO(json_release) json_t *answer = NULL;
        AUTO(mem_release) char *plain = mem_copy(path.data, path.len);
        utf8_make_plain(plain, path.len); /* Names of folders are bytes of any kind. */
        answer = json_pack("{s:s,s:s}", "name", name, "file", plain);
        talk_print(answer);
    } else {
        printf("%s is written; run it with: drover run %s\n"
               "Check it after each edit with: drover workflow check %s\n",
               path.data, name, name);
    }
    return ERR_OK;
}

const struct command command_workflow_new = {
    COMMAND("workflow", "new", "NAME", "Create .drover/workflows/NAME.js from an example."),
    HELP(WORKFLOWS, "drover workflow new mine\n"),
    .about = "Creates the file in the project: the nearest folder with .git, .drover, .claude\n"
             "or .boocode, from the current one upward (in your home folder only .git counts),\n"
             "else the current folder.\n",
    .run = new_run,
};
