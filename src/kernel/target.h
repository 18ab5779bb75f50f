/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One table line: what device-mapper's callbacks get as ti->private.
 *
 * Its first cache line is read by every bio and written only before the first resume. The rest is
 * constant after the constructor, but for `pair` (see preresume in target.c).
 */
#ifndef DMR_TARGET_H
#define DMR_TARGET_H

#include <linux/device-mapper.h>

#include "dm_remap/core.h"
#include "pair.h"

struct dmr_target {
	struct block_device *main_bdev;
	struct block_device *spare_bdev;
	struct dmr_region_map regions;
	struct dmr_pair *pair; /* with a reference */

	struct dm_dev *main;
	struct dm_dev *spare;
	struct dmr_geometry geometry;
	struct dmr_arguments arguments;
	bool writable; /* the table's mode */
	dmr_u8 found_uuid[DMR_UUID_BYTES]; /* of the spare, when the table was loaded; zeros: none */
	struct dmr_pair *unused_pair; /* replaced in preresume; status may still look at it */
};

/*
 * For status and messages, which may run while preresume replaces the pair: either one stays until the
 * target's end.
 */
static inline struct dmr_pair *dmr_target_pair(const struct dmr_target *target)
{
	return READ_ONCE(target->pair);
}

extern struct target_type dmr_target_type;

/* status.c: any context that may sleep. */
void dmr_status(struct dm_target *ti, status_type_t type, unsigned int status_flags, char *result,
		unsigned int maxlen);
/* message.c: task context, holds off table changes while it runs. */
int dmr_message(struct dm_target *ti, unsigned int argc, char **argv, char *result,
		unsigned int maxlen);

#endif
