/* Rows of mail: how many there may be, and what is removed. */
/* runs-with: sqlite, postgres */
#include "inbox_kit.h"

#include "engine/board/board.h"
#include "engine/mail/mail.h"

#define FILL                                                                                       \
    "INSERT INTO mail (mail, owner, project, sender, receiver, type, status, cause, in_reply_to,"  \
    " about, urgent, depth, session, from_session, from_project, turn, message, delivery,"         \
    " attempts, made_ms, changed_ms, title, text) SELECT 'mail_' || n, 'ann', '', 'ann', 'ann',"   \
    " 'inform', 'done', '', '', '', 0, 1, '', '', '', '', '', '', 0, 1, 1, 't', 't' FROM"          \
    " (WITH RECURSIVE count(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < $1)"       \
    " SELECT n FROM count) counted"

/* A person writes to herself; the statement before, if any, has `number` as its $1. */
struct post {
    const char *before;
    int64_t number;
    const char *answers; /* "": nothing. */
    struct id id;
    struct inbox_row delivery;
    struct mail_prune prune;
    bool more;
};

static struct err send_tx(struct tx *tx, void *ctx) {
    struct post *post = ctx;
    const struct mail_key key = {.owner = BYTES("ann"),
                                 .client = {.inside = "", .person = true, .label = BYTES("")}};
    const struct mail_session session = {.looked = false};
    struct mail mail = {.mail = bytes_of(post->id.text),
                        .project = BYTES(""),
                        .to = BYTES("ann"),
                        .title = BYTES("t"),
                        .text = BYTES("t"),
                        .type = BYTES(MAIL_REQUEST),
                        .about = BYTES(""),
                        .supersedes = BYTES(""),
                        .in_reply_to = kit_bytes(post->answers)};
    struct mail_wanted wanted;
    struct why why;
    return tx_mail_send(tx, &key, &session, &mail, &wanted, &why);
}

static struct err before_tx(struct tx *tx, void *ctx) {
    const struct post *post = ctx;
    tx_do(tx, post->before, ARGS(arg_int(post->number)));
    return tx_error(tx);
}

static struct err changed_tx(struct tx *tx, void *ctx) {
    const struct post *post = ctx;
    return mail__delivery_changed(tx, NULL, &post->delivery);
}

static struct err prune_tx(struct tx *tx, void *ctx) {
    struct post *post = ctx;
    tx_do(tx, "UPDATE nodes SET judged_ms = $1", ARGS(arg_int(post->number)));
    return tx_mail_prune(tx, &post->prune, &post->more);
}

static struct id mail_id(struct runs_kit *runs) {
    struct id id = runs_id(runs);
    const struct bytes ending = {id.text + 3, strlen(id.text) - 3};
    char text[ID_SIZE];
    (void)snprintf(text, sizeof text, "mail%.*s", (int)ending.len, ending.data);
    memcpy(id.text, text, sizeof text);
    return id;
}

static struct id sent(struct runs_kit *runs, const char *answers) {
    struct post post = {.answers = answers, .id = mail_id(runs)};
    assert_int_equal(runs_do(runs, send_tx, &post), ERR_NONE);
    return post.id;
}

/* The notice is a part of the end of a turn, which must not fail for it. */
static void where_nothing_more_is_sent_the_sender_hears_nevertheless(void **state) {
    struct runs_kit *runs = *state;
    const struct id id = sent(runs, "");
    struct post post = {
        .before = FILL, .number = MAILS_MAX - 1, .answers = "", .id = mail_id(runs)};
    (void)runs_once(runs, before_tx, &post);
    assert_int_equal(runs_do(runs, send_tx, &post), ERR_TOO_MANY);
    post.delivery = (struct inbox_row){.owner = BYTES("ann"),
                                       .run = bytes_of(id.text),
                                       .state = INBOX_GONE,
                                       .settled_ms = 1,
                                       .turn = BYTES("")};
    assert_int_equal(runs_do(runs, changed_tx, &post), ERR_NONE);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail WHERE sender = 'drover'"), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail"), MAILS_MAX + 1);
}

static void prune(struct runs_kit *runs, struct post *post) {
    do {
        assert_int_equal(runs_do(runs, prune_tx, post), ERR_NONE);
    } while (post->more);
}

static void old_mail_goes_by_whole_chains_and_open_mail_stays(void **state) {
    struct runs_kit *runs = *state;
    const struct id first = sent(runs, ""), second = sent(runs, first.text);
    (void)sent(runs, ""); /* The only one that nobody has answered. */
    runs->kit.clock_ms += 1000;
    (void)sent(runs, second.text); /* Answers are informs, which a person has read at once. */
    struct post post = {.number = runs->kit.clock_ms + 50,
                        .prune = {.age_ms = 100, .count = 100, .limit = 1}};
    prune(runs, &post);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail"), 4);
    post.number += 100;
    prune(runs, &post);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail"), 1);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail WHERE status = 'pending'"), 1);
}

static void beyond_a_number_the_oldest_goes(void **state) {
    struct runs_kit *runs = *state;
    struct post post = {.before = FILL, .number = 5, .prune = {.count = 2, .limit = 2}};
    (void)runs_once(runs, before_tx, &post);
    prune(runs, &post);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail"), 2);
    assert_int_equal(runs_count(runs, "SELECT count(*) FROM mail WHERE mail IN ('mail_4',"
                                      " 'mail_5')"),
                     2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(where_nothing_more_is_sent_the_sender_hears_nevertheless,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(old_mail_goes_by_whole_chains_and_open_mail_stays,
                                        runs_begin, runs_end),
        cmocka_unit_test_setup_teardown(beyond_a_number_the_oldest_goes, runs_begin, runs_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
