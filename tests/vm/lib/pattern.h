/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each sector may read: every sector that is written says which one it is and which write it
 * was. A read may give the last acknowledged write, or one that was issued since (in flight, or
 * failed); anything else is a wrong byte. Sectors that were never written read as zeros.
 */
#ifndef VM_PATTERN_H
#define VM_PATTERN_H

#include <stdbool.h>
#include <stdint.h>

#define SECTOR 512

struct oracle {
	int fd;
	uint64_t sectors;
	uint32_t *acknowledged; /* of each sector, the number of its last write that was; 0: none */
	uint32_t *issued;       /* and of the last one that was begun */
};

void oracle_open(struct oracle *oracle, const char *path, uint64_t sectors); /* O_DIRECT */
void oracle_reopen(struct oracle *oracle, const char *path); /* the same data, another device */
void oracle_close(struct oracle *oracle);                    /* the device only */
void oracle_free(struct oracle *oracle);

/* 0 or a negative errno; flags as of pwritev2(). Threads may use it for sectors of their own. */
int oracle_write(struct oracle *oracle, uint64_t sector, uint32_t count, int flags);
/*
 * 0, a negative errno, or the number of sectors that are wrong, which are printed. With EIO
 * nothing may be in the buffer that looks like data: it is filled with 0xEE before.
 */
int oracle_read(struct oracle *oracle, uint64_t sector, uint32_t count);
/* The number of sectors that are wrong or can't be read. In pieces of 128 KiB. */
int oracle_check(struct oracle *oracle, uint64_t sector, uint64_t count);
/* Sectors that were zeroed (discard, write-zeroes), as a write that was acknowledged. */
void oracle_forget(struct oracle *oracle, uint64_t sector, uint64_t count);

void pattern_fill(void *buffer, uint64_t sector, uint32_t number);
/* The number of the write that it is, 0 for zeros, -1 for anything else. */
int64_t pattern_number(const void *buffer, uint64_t sector);

/* Which sector and write it says that it is; false if it says nothing. */
bool pattern_stamp(const void *buffer, uint64_t *sector, uint32_t *number);

/* Aligned for O_DIRECT. 0 or a negative errno. */
void *io_buffer(uint64_t bytes);
int io_write(const char *path, uint64_t sector, const void *data, uint32_t count);
int io_read(const char *path, uint64_t sector, void *data, uint32_t count);

#endif
