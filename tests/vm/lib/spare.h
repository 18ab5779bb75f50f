/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The spare as its on-disk format says it is, read past the module. Written against the format,
 * not with the module's own code.
 */
#ifndef VM_SPARE_H
#define VM_SPARE_H

#include <stdbool.h>
#include <stdint.h>

#define COPIES 5
#define NO_SLOT UINT32_MAX
#define SLOTS_BEGIN 16384
#define SLOT_SECTOR(slot) (SLOTS_BEGIN + (uint64_t)(slot) * 8)

extern const uint64_t copy_sector[COPIES];

struct copy {
	bool whole; /* header and all table blocks verify */
	uint64_t sequence;
	uint64_t main_sectors;
	uint8_t uuid[16];
	uint32_t slots;
	uint32_t table_blocks;
};

/* How many copies are whole; they and the states of all are in @copies, if given. */
int spare_copies(const char *path, struct copy *copies);
/* All five whole, and the same byte for byte. */
bool spare_copies_equal(const char *path);
/* The highest sequence of a whole copy. */
uint64_t spare_sequence(const char *path);

/* The slot of a block as the first whole copy has it, NO_SLOT if it has none. */
uint32_t spare_slot_of(const char *path, uint64_t block, uint8_t *spare_mask, uint8_t *lost_mask);
/* Slots in use and retired ones of the first whole copy; *twice: blocks that have two. */
uint32_t spare_used(const char *path, uint32_t *retired, uint32_t *twice);

enum damage { ZEROS, RANDOM, FLIPPED_HEADER_BIT, FLIPPED_TABLE_BIT };
void spare_damage(const char *path, int copy, enum damage damage);
/* The bytes of a copy, to put back later; free() it. */
void *spare_save_copy(const char *path, int copy);
void spare_restore_copy(const char *path, int copy, const void *saved);
/* A checksum over sectors of a device, to see that nothing was written. */
uint64_t device_checksum(const char *path, uint64_t sector, uint64_t count);

#endif
