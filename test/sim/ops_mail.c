/* ops_mail.c: mail of people, and of agents from inside of the turns that read mail.
 *
 * An agent acts by a script: a letter for each call, with a pause before it. Some answer whatever
 * they read, also answers, some ask back, some act when their turn is over. Requests of people have
 * an Idempotency-Key, and are sent again, also to a daemon that was killed meanwhile. */
#include <stdio.h>
#include <string.h>

#include "agent/program.h"
#include "asks.h"
#include "base/memory.h"
#include "boards.h"
#include "chat_ops.h"
#include "dispatch/base/agent_order.h"
#include "inside.h"
#include "late.h"
#include "mails.h"
#include "main/work.h"
#include "ops.h"

enum {
    SPEAKERS_MAX = 256,
    LETTERS_MAX = 128, /* Requests of people. */
    SENDS_MAX = 3,
    CALL_MS_MAX = 4000,
    LATE_MS = 60000,
    AGAIN_MS = 2000,
    ROOM = 24, /* Mail that may be under way. */
};
#define WAIT_NS_MAX (UINT64_C(60) * 1000 * 1000 * 1000)

bool mails_play(const struct sim_options *options) {
    const uint64_t drawn = sim_hash(options->seed, 0, "mail", 0);
    return drawn % (boards_play(options) ? 2 : 4) == 0;
}

static bool mails_full(void) {
    return mails_count() >= SIM_MAILS_MAX - ROOM;
}

/* --- One call --------------------------------------------------------------------------------- */

static struct mail_key key_of(const struct mail_asking *asking, const char *mail) {
    return (struct mail_key){.owner = BYTES(KNOWN_OWNER),
                             .mail = known_bytes(mail),
                             .client = {.inside = asking->inside,
                                        .person = asking->inside[0] == '\0',
                                        .label = BYTES("")}};
}

/* As api/mail/mails.c. */
static struct err send_run(struct tx *tx, struct errand *errand) {
    struct mail_asking *asking = &errand->what.mail;
    const struct mail_key key = key_of(asking, "");
    const struct mail_session session = {
        .looked = asking->looked,
        .session = {.session = known_id(errand->sim, "ses", asking->id.text),
                    .model = known_bytes(asking->model),
                    .program = text_bytes(&errand->text)},
        .line = program_message_line,
        .message = known_id(errand->sim, "msg", asking->id.text)};
    struct mail mail = {.mail = bytes_of(asking->id.text),
                        .project = BYTES(""),
                        .to = known_bytes(asking->to),
                        .title = known_bytes(asking->title),
                        .text = BYTES("Feed the sheep."),
                        .type = bytes_of(asking->type),
                        .about = BYTES("T-1"),
                        .supersedes = known_bytes(asking->old),
                        .in_reply_to = known_bytes(asking->answers),
                        .urgent = asking->urgent};
    struct mail_wanted wanted;
    if (asking->looked && !asking->found) {
        return err_why(&errand->why, ERR_NOT_FOUND, "there is no such agent");
    }
    const struct err err = tx_mail_send(tx, &key, &session, &mail, &wanted, &errand->why);
    if (err_failed(err)) {
        return err;
    }
    errand->more = wanted.wanted;
    if (wanted.wanted) {
        (void)snprintf(asking->agent, sizeof asking->agent, "%.*s", (int)wanted.agent.len,
                       wanted.agent.data);
        asking->named = wanted.named;
    } else {
        text_add_char(&errand->answer, '{'); /* Kept as the answer to its key. */
        text_add_member(&errand->answer, "id", mail.mail);
        text_add_char(&errand->answer, '}');
    }
    return tx_error(tx);
}

static void send_advance(struct errand *errand) {
    struct mail_asking *asking = &errand->what.mail;
    AUTO(agent_order_done) struct agent_order order;
    const struct agent_wish wish = {.name = known_bytes(asking->agent),
                                    .root = sim_project_dir(errand->sim),
                                    .rows = work_agents(sim_life(errand->sim)->work),
                                    .model = BYTES(""),
                                    .takes_names = asking->named};
    agent_order_init(&order);
    agent_order_find(&wish, &order);
    asking->looked = true;
    asking->found = agent_order_is_good(&order);
    text_clear(&errand->text);
    text_add(&errand->text, text_bytes(&order.program).data, order.program.len);
    (void)snprintf(asking->model, sizeof asking->model, "%s", text_bytes(&order.model).data);
}

static void send_done(struct errand *errand, struct err result) {
    struct sim *sim = errand->sim;
    const struct mail_asking *asking = &errand->what.mail;
    if (!err_failed(result)) {
        char mail[ID_SIZE] = "";
        (void)sscanf(errand->answer.data, "{\"id\":\"%31[a-z0-9_]", mail);
        mails_sent(sim, asking, mail);
    } else if (result.code == ERR_MAIL_LOOP && asking->above < MAIL_DEPTH_MAX &&
               asking->inside[0] == '\0') {
        sim_fail(sim, "a person's mail is refused as a part of a chain");
    } else if (result.code != ERR_BAD_FIELD && !errand_refused(errand, result)) {
        sim_fail(sim, "mail was refused: %s: %s", err_name(result.code), errand->why.text);
    }
}

static void mail_post(struct sim *sim, unsigned op, const struct mail_asking *asking) {
    struct errand *errand = errand_new(sim, "mail", NULL);
    errand->op = op;
    errand->what.mail = *asking;
    if (asking->key[0] != '\0') {
        const struct idempotency_request digest = {.method = BYTES("POST"),
                                                   .target = known_bytes(asking->key),
                                                   .body = known_bytes(asking->title)};
        errand->once = (struct idempotency){.owner = BYTES(KNOWN_OWNER),
                                            .route = BYTES("/api/v1/mail"),
                                            .key = known_bytes(errand->what.mail.key),
                                            .digest = idempotency_digest(&digest)};
    }
    errand->run = send_run;
    errand->advance = send_advance;
    errand->done = send_done;
    errand_send(errand);
}

static struct err retract_run(struct tx *tx, struct errand *errand) {
    const struct mail_key key = key_of(&errand->what.mail, errand->what.mail.old);
    struct mail mail;
    return tx_mail_retract(tx, &key, &mail, &errand->why);
}

static void retract_done(struct errand *errand, struct err result) {
    if (!err_failed(result)) {
        mails_withdrawn(errand->sim, errand->what.mail.old);
    } else if (!errand_refused(errand, result)) {
        sim_fail(errand->sim, "mail was not taken back: %s: %s", err_name(result.code),
                 errand->why.text);
    }
}

static void mail_take_back(struct sim *sim, unsigned op, const struct mail_asking *asking) {
    struct errand *errand = errand_new(sim, "retract", NULL);
    errand->op = op;
    errand->what.mail = *asking;
    errand->run = retract_run;
    errand->done = retract_done;
    errand_send(errand);
}

/* A session of clients, also one that is gone; an agent, there or not; or the person. */
static void receiver_pick(struct sim *sim, char to[SIM_ADDRESS_MAX]) {
    static const char *const others[] = {BOARD_NATIVE "@" BOARD_PROJECT,
                                         BOARD_WORKER "@" BOARD_PROJECT,
                                         BOARD_NATIVE "@" BOARD_PROJECT, KNOWN_OWNER, "nobody"};
    const struct known *known = known_of(sim);
    const struct known_session *session = known_pick(sim, "receiver");
    if (session == NULL || sim_chance(sim, "elsewhere", 35)) {
        (void)snprintf(to, SIM_ADDRESS_MAX, "%s",
                       others[sim_choose(sim, "where", COUNT_OF(others))]);
        return;
    }
    if (sim_chance(sim, "any session", 15)) {
        session = &known->sessions[sim_choose(sim, "any", known->session_count)];
    }
    (void)snprintf(to, SIM_ADDRESS_MAX, "%s", session->id);
}

/* Columns: mail. */
static void name_take(struct sim *sim, const struct ask_row *row, void *ctx) {
    char *name = ctx;
    (void)sim;
    (void)snprintf(name, ID_SIZE, "%s", row->text[0].data);
}

/* --- Agents ----------------------------------------------------------------------------------- */

/* r answers, R as if that were a request, q asks the sender, u urgently somebody else, p the
 * person, x takes back its last mail, s replaces it, - a long pause. */
static const char *const scripts[] = {"r", "r", "r", "R",  "q",  "q",  "rq", "u",  "u",
                                      "",  "",  "p", "qx", "us", "-r", "-q", "ux", "qs"};

struct speaker {
    struct sim_event event;
    char turn[ID_SIZE], mail[ID_SIZE], from_session[ID_SIZE];
    const char *next; /* A literal. */
    int64_t depth;
    unsigned op, calls;
};
static struct speaker speakers[SPEAKERS_MAX];
static size_t speaker_count;

static void letter_ask(struct sim *sim, const struct speaker *speaker, char letter,
                       struct mail_asking *asking) {
    switch (letter) {
    case 'r':
    case 'R':
        (void)snprintf(asking->answers, sizeof asking->answers, "%s", speaker->mail);
        asking->type = letter == 'r' ? MAIL_INFORM : MAIL_REQUEST;
        return;
    case 'p':
        (void)snprintf(asking->to, sizeof asking->to, KNOWN_OWNER);
        return;
    case 'q':
        (void)snprintf(asking->to, sizeof asking->to, "%s", speaker->from_session);
        break;
    default:
        break;
    }
    if (letter == 'x' || letter == 's') {
        ask_each(sim,
                 "SELECT mail FROM mail WHERE from_session <> '' AND from_session ="
                 " (SELECT session FROM mail WHERE mail = $1) ORDER BY id",
                 TEXTS(speaker->mail), name_take, asking->old); /* The last one stays. */
    }
    if (asking->to[0] == '\0') {
        receiver_pick(sim, asking->to);
    }
    asking->urgent = letter == 'u' || sim_chance(sim, "urgent", 25);
}

static void speak(struct sim *sim, struct sim_event *event) {
    struct speaker *speaker = CONTAINER_OF(event, struct speaker, event);
    if (!sim_life(sim)->ready) {
        sim_plan(sim, event, AGAIN_MS, speak);
        return;
    }
    const char letter = *speaker->next++;
    char purpose[80];
    struct mail_asking asking = {.type = MAIL_REQUEST, .above = speaker->depth};
    (void)snprintf(purpose, sizeof purpose, "%s %s %u", speaker->turn, speaker->mail,
                   speaker->calls++);
    asking.id = known_id(sim, "mail", purpose);
    (void)snprintf(asking.inside, sizeof asking.inside, "%s", speaker->turn);
    (void)snprintf(asking.title, sizeof asking.title, "%.40s. Sheep", asking.id.text);
    if (letter != '-' && !mails_full()) {
        letter_ask(sim, speaker, letter, &asking);
        if (letter == 'x' && asking.old[0] != '\0') {
            mail_take_back(sim, speaker->op, &asking);
        } else if (letter != 'x') {
            mail_post(sim, speaker->op, &asking);
        }
    }
    if (*speaker->next != '\0') {
        sim_plan(sim, event,
                 *speaker->next == '-' ? LATE_MS : sim_choose(sim, "speaks", CALL_MS_MAX), speak);
    }
}

void mails_read(struct sim *sim, const struct mail_read *seen) {
    for (size_t i = 0; i < speaker_count; i++) {
        if (strcmp(speakers[i].mail, seen->mail) == 0 &&
            strcmp(speakers[i].turn, seen->turn) == 0) {
            return;
        }
    }
    if (speaker_count == SPEAKERS_MAX) {
        return;
    }
    struct speaker *speaker = &speakers[speaker_count++];
    *speaker = (struct speaker){.depth = seen->depth, .op = sim_operation(sim)};
    speaker->next = scripts[sim_choose(sim, "script of mail", COUNT_OF(scripts))];
    (void)snprintf(speaker->turn, sizeof speaker->turn, "%s", seen->turn);
    (void)snprintf(speaker->mail, sizeof speaker->mail, "%s", seen->mail);
    (void)snprintf(speaker->from_session, sizeof speaker->from_session, "%s", seen->from_session);
    sim_trace(sim, "%s reads %s and says '%s'", seen->turn, seen->mail, speaker->next);
    if (speaker->next[0] != '\0') {
        sim_plan(sim, &speaker->event, sim_choose(sim, "speaks", CALL_MS_MAX / 4), speak);
    }
}

/* --- People ----------------------------------------------------------------------------------- */

/* A request that may be sent several times, by the number of its operation. */
struct letter {
    unsigned op, sends;
    struct mail_asking asking;
};
static struct letter letters[LETTERS_MAX];
static size_t letter_count;

static void letter_send(struct sim *sim, unsigned op) {
    for (size_t i = 0; i < letter_count; i++) {
        struct letter *letter = &letters[i];
        if (letter->op == op) {
            char purpose[32];
            (void)snprintf(purpose, sizeof purpose, "mail, try %u", letter->sends++);
            letter->asking.id = late_id(sim, op, "mail", purpose);
            mail_post(sim, op, &letter->asking);
        }
    }
}

static struct mail_asking *letter_new(struct sim *sim) {
    if (mails_full() || letter_count == LETTERS_MAX) {
        return NULL;
    }
    struct letter *letter = &letters[letter_count++];
    *letter = (struct letter){
        .op = sim_operation(sim),
        .asking = {.type = sim_chance(sim, "request", 65) ? MAIL_REQUEST : MAIL_INFORM,
                   .urgent = sim_chance(sim, "urgent", 30)}};
    (void)snprintf(letter->asking.title, sizeof letter->asking.title, "op#%u. Sheep", letter->op);
    (void)snprintf(letter->asking.key, sizeof letter->asking.key, "mail-%u", letter->op);
    return &letter->asking;
}

static void sends_plan(struct sim *sim) {
    const uint64_t sends = 1 + sim_choose(sim, "sends", SENDS_MAX);
    for (uint64_t i = 0; i < sends; i++) {
        late_plan(sim, letter_send);
    }
}

static void mail_send(struct sim *sim) {
    struct mail_asking *asking = letter_new(sim);
    if (asking == NULL) {
        return;
    }
    receiver_pick(sim, asking->to);
    if (sim_chance(sim, "supersedes", 12)) {
        ask_each(sim, "SELECT mail FROM mail WHERE status = 'pending' ORDER BY id", NULL, name_take,
                 asking->old);
    }
    sends_plan(sim);
}

/* A request to the person, or anything else: a person may answer all. */
static void mail_answer(struct sim *sim) {
    char mail[ID_SIZE] = "";
    ask_each(sim,
             sim_chance(sim, "own", 70)
                 ? "SELECT mail FROM mail WHERE status = 'pending' AND session = '' ORDER BY id"
                 : "SELECT mail FROM mail ORDER BY id",
             NULL, name_take, mail);
    struct mail_asking *asking = mail[0] == '\0' ? NULL : letter_new(sim);
    if (asking != NULL) {
        (void)snprintf(asking->answers, sizeof asking->answers, "%s", mail);
        sends_plan(sim);
    }
}

static void somebody_retracts(struct sim *sim, unsigned op) {
    struct mail_asking asking = {.type = MAIL_REQUEST};
    ask_each(sim,
             sim_chance(sim, "waits", 75)
                 ? "SELECT mail FROM mail WHERE status = 'pending' ORDER BY id"
                 : "SELECT mail FROM mail ORDER BY id",
             NULL, name_take, asking.old);
    if (asking.old[0] != '\0') {
        mail_take_back(sim, op, &asking);
    }
}

static void mail_retract(struct sim *sim) {
    late_plan(sim, somebody_retracts);
}

/* Meanwhile turns end. */
static void mail_wait(struct sim *sim) {
    sim->patience_ns = sim_now_ns(sim) + sim_choose(sim, "waits", WAIT_NS_MAX);
}

static void mail_begin(struct sim *sim) {
    (void)sim;
    speaker_count = letter_count = 0;
}

static const struct sim_op ops_mail[] = {
    {"mail_send", 70, mail_send},
    {"mail_answer", 10, mail_answer},
    {"mail_retract", 16, mail_retract},
    {"mail_wait", 16, mail_wait},
    {NULL, 0, NULL},
};

const struct sim_part part_mail = {.name = "mail", .ops = ops_mail, .begin = mail_begin};
