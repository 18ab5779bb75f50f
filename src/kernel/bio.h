/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way of a bio through the target: map, end_io, and the parked writes between them.
 *
 * Nothing about a bio can be told after it failed: the block layer advances its sector, moves it
 * by the partition's offset and leaves the position in its data where a driver dropped it (a bio
 * that is completed as a whole is not advanced in its data at all). So map() records where it
 * began, in the clone's bi_private, which device-mapper leaves to the target:
 *
 *   bits 0-1    the phase in which it is counted in flight; 0: it is not; 3: it ended already
 *   bit 2       the rest of the word is a pointer to the bio's struct dmr_bio, which holds all
 *   bits 3-25   sectors
 *   bits 26-63  first sector, of the target (DMR_MAIN_MAX_SECTORS)
 *
 * The short record is for what goes to main with its data at the start of its vector, which is
 * nearly all. Everything else is recorded out of line.
 *
 * map(): task context, no sleep, no lock. end_io(): any context, interrupts included.
 */
#ifndef DMR_BIO_H
#define DMR_BIO_H

#include <linux/device-mapper.h>

#include "dm_remap/core.h"

#define DMR_RECORD_PHASE 3ul
#define DMR_RECORD_POINTER 4ul
#define DMR_RECORD_FLAGS 7ul
/* No phase: end_io() passes this one on. The worker or map() ended it, or it is a flush of main. */
#define DMR_RECORD_ENDED 3ul

#define DMR_RECORD_SECTORS_SHIFT 3
#define DMR_RECORD_SECTORS_BITS 23 /* all that bi_size can say */
#define DMR_RECORD_START_SHIFT (DMR_RECORD_SECTORS_SHIFT + DMR_RECORD_SECTORS_BITS)

/* Per-bio data; written only for what is recorded out of line or failed. */
struct dmr_bio {
	struct dmr_request request; /* first sector and length, and the worker's handle */
	struct bio *bio;
	u64 flush_ticket;       /* of a flush of the spare */
	unsigned int data_index;  /* where the data begins: bi_idx and dmr_bi_offset */
	unsigned int data_offset;
	enum dmr_device device; /* where it went */
	bool is_flush;
	bool verify; /* when main has taken it, the worker reads it back */
	blk_status_t status;    /* as it failed; BLK_STS_IOERR if it was not tried */
};

int dmr_map(struct dm_target *ti, struct bio *bio);
int dmr_end_io(struct dm_target *ti, struct bio *bio, blk_status_t *error);

#endif
