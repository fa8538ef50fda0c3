/* manual.c: pages of roff (man(7)) from struct command and struct flag.
 *
 * A page is called after a group ("drover-job") or a command of one word ("drover-serve"). Flags
 * that all clients take stand once on a page, after those of its commands.
 */
#include "cli/base/manual.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { PATH_BYTES_MAX = 4096, NAMES_BYTES_MAX = 16 << 10 };

/* --- roff ------------------------------------------------------------------------------------- */

/* The first character of `at` as an escape that only needs ASCII; its length in bytes. The texts
 * are our own, and valid UTF-8. */
static size_t wide_put(const char *at, FILE *page) {
    unsigned lead = (unsigned char)at[0];
    size_t len = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    unsigned code = lead & (0xffU >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        code = code << 6 | ((unsigned char)at[i] & 0x3fU);
    }
    fprintf(page, "\\[u%04X]", code);
    return len;
}

/* A text that means what it says: a dash can be copied as one, a dot at the begin of a line is no
 * request, and quotes stay straight. */
static void roff_put(const char *text, FILE *page) {
    for (const char *at = text; *at != '\0';) {
        bool line_begin = at == text || at[-1] == '\n';
        if (line_begin && (*at == '.' || *at == '\'')) {
            fputs("\\&", page);
        }
        if ((unsigned char)*at >= 0x80) {
            at += wide_put(at, page);
            continue;
        }
        const char *escape = *at == '\\'   ? "\\e"
                             : *at == '-'  ? "\\-"
                             : *at == '\'' ? "\\(aq"
                             : *at == '`'  ? "\\(ga"
                             : *at == '^'  ? "\\(ha"
                             : *at == '~'  ? "\\(ti"
                             : *at == '|'  ? "|\\:" /* A long list of choices breaks there. */
                                           : NULL;
        if (escape != NULL) {
            fputs(escape, page);
        } else {
            fputc(*at, page);
        }
        at++;
    }
}

/* Lines as they stand: they may be a table or an example. */
static void lines_put(const char *lines, FILE *page) {
    fputs(".PP\n.nf\n", page);
    roff_put(lines, page);
    fputs(".fi\n", page);
}

/* A summary as what follows the dash of the section NAME: "show the version of this program". */
static void summary_put(const char *summary, FILE *page) {
    size_t len = strlen(summary);
    AUTO(text_done) struct text words = text_up_to(NAMES_BYTES_MAX);
    text_add(&words, summary, len > 0 && summary[len - 1] == '.' ? len - 1 : len);
    assert(!text_failed(&words));
    if (words.len > 1 && words.data[0] >= 'A' && words.data[0] <= 'Z' && words.data[1] >= 'a') {
        words.data[0] = (char)(words.data[0] - 'A' + 'a');
    }
    roff_put(words.len > 0 ? words.data : "", page);
}

/* --- Which commands are on which page --------------------------------------------------------- */

static const char *page_name(const struct command *command) {
    return command->group != NULL ? command->group : command->name;
}

/* The first command of a page stands for it where only pages matter. */
static bool is_first_of_page(const struct command *const *commands, size_t at) {
    if (commands[at]->hidden) {
        return false;
    }
    for (size_t i = 0; i < at; i++) {
        if (strcmp(page_name(commands[i]), page_name(commands[at])) == 0) {
            return false;
        }
    }
    return true;
}

static bool is_on_page(const struct command *command, const char *name) {
    return strcmp(page_name(command), name) == 0;
}

/* "drover job run", in bold. */
static void command_name_put(const struct command *command, FILE *page) {
    fprintf(page, "\\fBdrover %s%s%s\\fR", command->group != NULL ? command->group : "",
            command->group != NULL ? " " : "", command->name);
}

/* --- Flags ------------------------------------------------------------------------------------ */

static void flag_put(const struct flag *flag, FILE *page) {
    fputs(".TP\n", page);
    if (flag->letter != '\0') {
        fprintf(page, "\\fB\\-%c\\fR, ", flag->letter);
    }
    fputs("\\fB\\-\\-", page);
    roff_put(flag->name, page);
    fputs("\\fR", page);
    if (flag->kind != FLAG_SWITCH) {
        fputs(flag->alone != NULL ? "[=\\fI" : " \\fI", page);
        roff_put(flag->choices != NULL ? flag->choices : flag->value, page);
        fputs(flag->alone != NULL ? "\\fR]" : "\\fR", page);
    }
    fputc('\n', page);
    roff_put(flag->about, page);
    if (flag->absent != NULL) {
        fputs(" [", page);
        roff_put(flag->absent, page);
        fputc(']', page);
    }
    if (flag->env != NULL) {
        fprintf(page, " (%s)", flag->env);
    }
    fputc('\n', page);
}

static bool is_common(const struct args_flags *common, const struct flag *flag) {
    for (unsigned at = 0; at < common->count; at++) {
        if (common->rows[at].flag == flag) {
            return true;
        }
    }
    return false;
}

static void own_flags_put(const struct command *command, const struct args_flags *common,
                          FILE *page) {
    struct args_flags flags;
    args_flags(command, &flags);
    for (unsigned at = 0; at < flags.count; at++) {
        if (!is_common(common, flags.rows[at].flag)) {
            flag_put(flags.rows[at].flag, page);
        }
    }
}

/* --- A page of commands ----------------------------------------------------------------------- */

static void head_put(const char *name, FILE *page) {
    fputs(".TH \"DROVER", page);
    for (const char *at = name; *at != '\0'; at++) {
        fputs(at == name ? "\\-" : "", page);
        fputc(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at, page);
    }
    /* No date: the same sources make the same pages. */
    fputs("\" 1 \"\" \"drover " DROVER_VERSION "\" \"drover manual\"\n.nh\n.ad l\n.SH NAME\n",
          page);
}

static void synopsis_put(const struct command *command, FILE *page) {
    command_name_put(command, page);
    fputs(command->takes_rest ? " [FLAGS]" : "", page);
    if (command->operands != NULL) {
        fputs(" \\fI", page);
        roff_put(command->operands, page);
        fputs("\\fR", page);
    }
    fputs(command->takes_rest ? "\n" : " [FLAGS]\n", page);
}

static void command_put(const struct command *command, const struct args_flags *common,
                        FILE *page) {
    if (command->group != NULL) {
        fprintf(page, ".SS \"drover %s %s\"\n", command->group, command->name);
    }
    roff_put(command->summary, page);
    fputc('\n', page);
    own_flags_put(command, common, page);
    if (command->about != NULL) {
        lines_put(command->about, page);
    }
    if (command->examples != NULL) {
        fputs(".PP\nExamples:\n", page);
        lines_put(command->examples, page);
    }
}

static void commands_page_put(const struct command *const *commands, const char *name, FILE *page) {
    size_t first = 0;
    while (!is_on_page(commands[first], name)) {
        first++;
    }
    bool is_group = commands[first]->group != NULL, talks = false;
    head_put(name, page);
    fprintf(page, "drover\\-%s \\- ", name);
    if (is_group) {
        fprintf(page, "the commands of \\(aqdrover %s\\(aq", name);
    } else {
        summary_put(commands[first]->summary, page);
    }
    fputs("\n.SH SYNOPSIS\n.nf\n", page);
    for (size_t i = first; commands[i] != NULL; i++) {
        if (is_on_page(commands[i], name)) {
            synopsis_put(commands[i], page);
            talks = talks || command_talks(commands[i]);
        }
    }
    struct args_flags common;
    args_flags(&(const struct command){.talks = talks}, &common);
    fprintf(page, ".fi\n.SH %s\n", is_group ? "COMMANDS" : "DESCRIPTION");
    for (size_t i = first; commands[i] != NULL; i++) {
        if (is_on_page(commands[i], name)) {
            command_put(commands[i], &common, page);
        }
    }
    fputs(".SH \"COMMON FLAGS\"\n", page);
    for (unsigned at = 0; at < common.count; at++) {
        flag_put(common.rows[at].flag, page);
    }
    fputs(".SH \"SEE ALSO\"\n.BR drover (1)\n", page);
}

/* --- The page of the program ------------------------------------------------------------------ */

static const char *const exit_codes[] = {
    "The command has done its work.",
    "It failed.",
    "Wrong use: an unknown command or flag, or a value that is not valid.",
    "What was named does not exist.",
    "Refused: no permission.",
    "Conflict: the object is in another state.",
    "The data directory is busy: another daemon serves it.",
    "The storage is full or read\\-only.",
    "The storage was lost: the outcome of a commit is unknown.",
    "The daemon cannot be reached.",
    "The database was written by a newer drover.",
    "Interrupted.",
};

/* Each variable once: many commands read the same ones. */
static void environment_put(const struct command *const *commands, FILE *page) {
    AUTO(text_done) struct text seen = text_up_to(NAMES_BYTES_MAX);
    fputs(".SH ENVIRONMENT\n.TP\n.B DROVER_TOKEN\nToken of a client that reaches the daemon by"
          " \\fB\\-\\-url\\fR.\n",
          page);
    text_add_str(&seen, " ");
    for (; *commands != NULL; commands++) {
        struct args_flags flags;
        args_flags(*commands, &flags);
        for (unsigned at = 0; at < flags.count; at++) {
            const struct flag *flag = flags.rows[at].flag;
            AUTO(text_done) struct text word = text_up_to(NAMES_BYTES_MAX);
            text_addf(&word, " %s ", flag->env != NULL ? flag->env : "");
            if (flag->env == NULL || strstr(seen.data, word.data) != NULL) {
                continue;
            }
            text_addf(&seen, "%s ", flag->env);
            assert(!text_failed(&seen)); /* All names together are short. */
            fprintf(page, ".TP\n.B %s\n", flag->env);
            roff_put(flag->about, page);
            fputc('\n', page);
        }
    }
}

static void program_page_put(const struct command *const *commands, FILE *page) {
    head_put("", page);
    fputs("drover \\- a daemon that runs commands, agents and workflows, and loses none\n"
          ".SH SYNOPSIS\n.B drover\n.I COMMAND\n[FLAGS]\n.SH COMMANDS\n",
          page);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (commands[i]->hidden) {
            continue;
        }
        fputs(".TP\n", page);
        command_name_put(commands[i], page);
        fputc('\n', page);
        roff_put(commands[i]->summary, page);
        fputc('\n', page);
    }
    environment_put(commands, page);
    fputs(".SH FILES\n.TP\n.I $XDG_STATE_HOME/drover\n"
          "The data directory, where \\fB\\-\\-data\\fR names no other one;"
          " \\fI\\(ti/.local/state/drover\\fR where the variable is not set.\n"
          ".TP\n.I config.json\nSettings of the daemon, in the data directory.\n"
          ".SH \"EXIT STATUS\"\n",
          page);
    for (size_t i = 0; i < COUNT_OF(exit_codes); i++) {
        fprintf(page, ".TP\n.B %zu\n%s\n", i, exit_codes[i]);
    }
    fputs(".SH \"SEE ALSO\"\n", page);
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (is_first_of_page(commands, i)) {
            fprintf(page, "%s.BR drover\\-%s (1)", i == 0 ? "" : ",\n", page_name(commands[i]));
        }
    }
    fputc('\n', page);
}

/* --- Files ------------------------------------------------------------------------------------ */

static void page_close(FILE **page) {
    if (*page != NULL) {
        (void)fclose(*page); /* Only of one that has failed. */
    }
}

/* `name` NULL: the page of the program. */
static struct err page_write(const struct command *const *commands, const char *folder,
                             const char *name, struct why *why) {
    AUTO(text_done) struct text path = text_up_to(PATH_BYTES_MAX);
    text_addf(&path, "%s/drover%s%s.1", folder, name != NULL ? "-" : "", name != NULL ? name : "");
    if (text_failed(&path)) {
        return text_error(&path, "manual: path");
    }
    AUTO(page_close) FILE *page = fopen(path.data, "we");
    bool good = page != NULL;
    if (good) {
        if (name != NULL) {
            commands_page_put(commands, name, page);
        } else {
            program_page_put(commands, page);
        }
        good = ferror(page) == 0;
        good = fclose(page) == 0 && good;
        page = NULL;
    }
    if (!good) {
        struct err err = err_from_errno(errno, "manual: write");
        why_set(why, "%s cannot be written: %s", path.data, strerror(err.os));
        return err;
    }
    return ERR_OK;
}

struct err manual_write(const struct command *const *commands, const char *folder,
                        struct why *why) {
    struct err err = page_write(commands, folder, NULL /* the program */, why);
    for (size_t i = 0; commands[i] != NULL && !err_failed(err); i++) {
        if (is_first_of_page(commands, i)) {
            err = page_write(commands, folder, page_name(commands[i]), why);
        }
    }
    return err;
}
