/* chat_state.c: the table of edges. A cell that is not listed keeps the state and does nothing. */
#include "cli/turn/chat_state.h"

struct edge {
    bool listed;
    struct chat_step step;
};
#define EDGE(state_, effect_)                                                                      \
    {                                                                                              \
        .listed = true, .step = { CHAT_##state_, CHAT_##effect_ }                                  \
    }

static const struct edge edges[CHAT_STATE_COUNT][CHAT_EVENT_COUNT] = {
    [CHAT_IDLE] =
        {
            [CHAT_TURN_BEGAN] = EDGE(ANSWERING, NOTHING),
            [CHAT_ASKED] = EDGE(ASKING, NOTHING),
            [CHAT_ENTER] = EDGE(IDLE, SEND),
            [CHAT_INTERRUPT] = EDGE(LEAVING, LEAVE_HINT),
            [CHAT_END] = EDGE(OVER, NOTHING),
        },
    [CHAT_LEAVING] =
        {
            [CHAT_TURN_BEGAN] = EDGE(ANSWERING, NOTHING),
            [CHAT_ASKED] = EDGE(ASKING, NOTHING),
            [CHAT_ENTER] = EDGE(IDLE, SEND),
            [CHAT_INTERRUPT] = EDGE(OVER, NOTHING),
            [CHAT_END] = EDGE(OVER, NOTHING),
            [CHAT_TYPED] = EDGE(IDLE, NOTHING),
        },
    [CHAT_ANSWERING] =
        {
            [CHAT_TURN_ENDED] = EDGE(IDLE, NOTHING),
            [CHAT_ASKED] = EDGE(ASKING, NOTHING),
            [CHAT_ENTER] = EDGE(ANSWERING, SEND),
            [CHAT_INTERRUPT] = EDGE(ANSWERING, STOP),
            [CHAT_END] = EDGE(OVER, NOTHING),
        },
    [CHAT_ASKING] =
        {
            [CHAT_TURN_BEGAN] = EDGE(ANSWERING, NOTHING), /* Questions of the turn come later. */
            [CHAT_TURN_ENDED] = EDGE(IDLE, NOTHING),
            [CHAT_SETTLED] = EDGE(ANSWERING, NOTHING),
            [CHAT_ENTER] = EDGE(ASKING, ANSWER),
            [CHAT_INTERRUPT] = EDGE(ASKING, STOP),
            [CHAT_END] = EDGE(OVER, NOTHING),
        },
};

struct chat_step chat_state_event(enum chat_state state, enum chat_event event) {
    assert(state < CHAT_STATE_COUNT);
    assert(event < CHAT_EVENT_COUNT);
    const struct edge *edge = &edges[state][event];
    return edge->listed ? edge->step : (struct chat_step){state, CHAT_NOTHING};
}
