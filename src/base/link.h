/* link.h: doubly linked lists of objects that embed a link: a ring of links around a head, so that
 * taking one out needs no head.
 *
 * Promise    each operation costs the same however long the list is, and allocates nothing.
 * Ownership  a list owns nothing. A link stands in one list at a time; a zeroed one in none.
 * Threads    one at a time.
 */
#ifndef DROVER_BASE_LINK_H
#define DROVER_BASE_LINK_H

#include "base/base.h"

struct link {
    struct link *prev, *next;
};

static inline void links_init(struct link *head) {
    head->prev = head->next = head;
}
static inline bool links_empty(const struct link *head) {
    return head->next == head;
}
/* Whether it stands in a list. */
static inline bool link_listed(const struct link *link) {
    return link->next != NULL;
}
static inline void link_add_last(struct link *head, struct link *link) {
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}
static inline void link_add_first(struct link *head, struct link *link) {
    link_add_last(head->next, link);
}
/* A link that stands in no list stays as it is. */
static inline void link_remove(struct link *link) {
    if (link_listed(link)) {
        link->prev->next = link->next;
        link->next->prev = link->prev;
        link->prev = link->next = NULL;
    }
}
/* Takes the first link out; NULL: the list is empty. */
static inline struct link *links_take(struct link *head) {
    struct link *first = head->next;
    if (first == head) {
        return NULL;
    }
    link_remove(first);
    return first;
}
/* Appends all of `from` to `to`. */
static inline void links_move(struct link *to, struct link *from) {
    if (!links_empty(from)) {
        from->next->prev = to->prev;
        to->prev->next = from->next;
        from->prev->next = to;
        to->prev = from->prev;
        links_init(from);
    }
}

#endif
