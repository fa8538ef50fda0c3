/* command_mail.c: drover mail send, ls, show, reply, retract, rm. */
#include "cli/base/action.h"
#include "cli/base/commands.h"
#include "cli/base/flags.h"
#include "cli/base/listing.h"
#include "cli/base/options.h"
#include "cli/terminal/lines.h"
#include "cli/turn/message.h"
#include "rules/mail/mail.h"

static const struct flag ls_flags[] = {LISTING_OF(&mail_resource.fields), OPTION_END};

const struct command command_mail_ls = {
    COMMAND("mail", "ls", NULL, "List mail between agents, sessions and you."),
    HELP(SESSIONS, "drover mail ls\ndrover mail ls --project web --status pending\n"),
    .flags = ls_flags,
    ACTION("GET /api/v1/mail", .fields = &mail_resource.fields,
           .empty = "There is no mail. 'drover mail send AGENT' writes some."),
};

const struct command command_mail_show = {
    COMMAND("mail", "show", "MAIL", "Show a mail, with its text."),
    HELP(SESSIONS, "drover mail show last\n"),
    ACTION("GET /api/v1/mail/{}", .fields = &mail_resource.fields),
};

const struct command command_mail_retract = {
    COMMAND("mail", "retract", "MAIL…", "Take back mail that is not read yet."),
    HELP(SESSIONS, "drover mail retract last\n"),
    ACTION("POST /api/v1/mail/{}/retract", .done = "{id} is {status}"),
};

const struct command command_mail_rm = {
    COMMAND("mail", "rm", "MAIL…", "Remove mail that is over, for good."),
    HELP(SESSIONS, "drover mail rm last\n"),
    ACTION("DELETE /api/v1/mail/{}", .done = "{id} is removed"),
};

/* --- Send ------------------------------------------------------------------------------------- */

/* Members of the body: the receiver, or the mail that is answered, and the text, which is the
 * second operand, or the input. */
static struct err mail_body(struct invocation *invocation, const char *member, struct text *body) {
    AUTO(lines_done) struct lines lines;
    AUTO(text_done) struct text text = text_up_to(LINES_LINE_MAX);
    const struct args *args = &invocation->args;
    const struct message_words words = {.operand =
                                            args->operand_count > 1 ? args->operands[1] : NULL,
                                        .noun = "text",
                                        .lines = &lines};
    lines_init(&lines, 0 /* stdin */, -1 /* not interrupted */);
    struct err err = message_read(&words, &text, &invocation->why);
    if (!err_failed(err) && text.len > MAIL_TEXT_MAX) {
        err =
            err_why(&invocation->why, ERR_USAGE, "the text has more than %d bytes", MAIL_TEXT_MAX);
    }
    if (!err_failed(err)) {
        text_add_member(body, member, bytes_of(args->operands[0]));
        text_add_member(body, "text", text_bytes(&text));
    }
    return err;
}

static struct err send_body(struct invocation *invocation, struct text *body) {
    TRY(mail_body(invocation, "to", body));
    text_add_member(body, "type",
                    bytes_of(args_on(&invocation->args, "inform") ? MAIL_INFORM : MAIL_REQUEST));
    return ERR_OK;
}

static struct err reply_body(struct invocation *invocation, struct text *body) {
    return mail_body(invocation, "in_reply_to", body);
}

static const struct flag send_flags[] = {
    FLAGS_OF(&mail_resource.fields),
    OPTION_SWITCH("inform", 0, "It asks for nothing: reading it is enough."),
    OPTION_END,
};

const struct command command_mail_send = {
    COMMAND("mail", "send", "TO [TEXT]", "Send mail to an agent, a session or a person."),
    HELP(SESSIONS,
         "drover mail send reviewer --project web --title \"Look at T-31\" \"Is it right?\"\n"
         "drover mail send coder@web --title Stop \"Leave the schema alone.\" --urgent\n"),
    .flags = send_flags,
    ACTION("POST /api/v1/mail", .body = send_body, .gives = &mail_resource.fields, .keyed = true,
           .done = "{id} is sent to {to}"),
};

const struct command command_mail_reply = {
    COMMAND("mail", "reply", "MAIL [TEXT]", "Answer a mail. The text is read from stdin."),
    HELP(SESSIONS, "drover mail reply last \"It is done.\"\n"),
    ACTION("POST /api/v1/mail", .body = reply_body, .keyed = true, .done = "{id} answers it"),
};
