/* rows.h: what memory.c and recall.c share. */
#ifndef DROVER_ENGINE_MEMORY_ROWS_H
#define DROVER_ENGINE_MEMORY_ROWS_H

#include "engine/memory/memory.h"

#define MEMORY_COLUMNS "id, memory, project, topic, title, content, tags, day, made_ms, changed_ms"

/* Borrowed until the next row. */
void memory__read(const struct rows *rows, struct memory *ret_memory);
/* Copies its texts into the arena. */
void memory__copy(struct tx *tx, struct memory *memory);

/* "2026-11-20" */
struct memory_date {
    char text[16];
};
struct memory_date memory_date_of(int64_t day);

#endif
