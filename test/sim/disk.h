/* disk.h: what the files of the disk know of each other: disk.c and disk_vfs.c. */
#ifndef DROVER_TEST_SIM_DISK_H
#define DROVER_TEST_SIM_DISK_H

#include <sqlite3.h>

#include "../fault/vfs_model.h"
#include "inside.h"

enum { NAME_SIZE = 32, FILES_MAX = 4, CONNECTIONS_MAX = 8, SHM_REGIONS = 64, SHM_SLOTS = 8 };

enum { PIECE_BYTES = (32 << 10) - 16 }; /* With its head (memory.c) a power of two. */

struct disk_file {
    char name[NAME_SIZE]; /* "": no such file. */
    char **pieces;        /* Owned, each of PIECE_BYTES; NULL behind the end. */
    size_t len, pieces_size;
    struct unsynced *unsynced;  /* Owned; the last one first. */
    bool apart;                 /* The model holds its bytes, too. */
    void *regions[SHM_REGIONS]; /* Owned: the index of the log, while a daemon lives, */
    size_t region_size;         /* each so large. */
    unsigned shared[SHM_SLOTS]; /* Locks of the index: how many share a slot, */
    bool exclusive[SHM_SLOTS];  /* or that one has it alone. */
    bool lost;                  /* A power cut took its name; only while one happens. */
};

struct handle {
    sqlite3_file base;
    struct handle *next; /* Among all that are open. */
    struct disk_file *file;
    bool temporary;
    bool creates;               /* Opened by somebody who makes the file where there is none: */
    bool sync_folder;           /* its first sync makes the name durable. */
    int level;                  /* Of the file's lock. */
    unsigned shared, exclusive; /* Slots of the index that it has, as bits. */
};

struct disk {
    sqlite3_vfs vfs;
    struct sim *sim; /* NULL: the template is being made. */
    struct disk_file files[FILES_MAX];
    struct vfs_files model; /* Owned. */
    struct handle *open;
    sqlite3 *connections[CONNECTIONS_MAX]; /* Of the life. */
    size_t connections_count;
    bool dead, planned, full;
    enum disk_plan plan;
    unsigned left; /* Calls until the plan comes true. */
    uint64_t syncs;
    uint64_t full_ns; /* Time of the last write that was refused for lack of space; 0: none. */
};

struct disk *disk(void);

/* disk.c. SQLITE_OK: the call goes well. */
enum disk_call { DISK_WRITE, DISK_SYNC };
int disk_verdict(enum disk_call call);

/* disk_file.c. NULL: no such file. */
struct disk_file *disk_file_find(const char *name);
struct disk_file *disk_file_add(const char *name);
void disk_file_clear(struct disk_file *file);
/* Number of bytes that were there. */
size_t disk_file_read(const struct disk_file *file, char *data, size_t len, size_t at);
/* `model`: NULL, if nobody asks what a power cut leaves. */
void disk_file_write(struct disk_file *file, struct vfs_file *model, const char *data, size_t len,
                     size_t at);
void disk_file_truncate(struct disk_file *file, struct vfs_file *model, size_t len);
void disk_file_sync(struct disk_file *file, struct vfs_file *model);
/* Gives the model all that was synced, and what was done since; the file itself may be cleared. */
void disk_file_part(struct disk_file *file, struct vfs_file *model);
void disk_file_set(struct disk_file *file, const char *data, size_t len); /* All is synced. */

/* disk_vfs.c */
void disk_shm_drop(struct disk_file *file);
/* As a drop, for those who have it mapped: it is empty, and nobody has a lock. */
void disk_shm_clear(struct disk_file *file);
void disk_vfs_fill(sqlite3_vfs *vfs);

#endif
