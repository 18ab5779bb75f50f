/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two devices of a table line: opening them, what they are, what can't be used.
 * Constructor, or discovery for what a device is; may sleep.
 */
#ifndef DMR_DEVICES_H
#define DMR_DEVICES_H

#include "dm_remap/core.h"
#include "target.h"

/* Takes both from device-mapper and fills in the devices and the geometry. On failure ti->error
 * says why, the log has the details, and nothing is kept.
 */
int dmr_devices_get(struct dm_target *ti, struct dmr_target *target, const char *main,
		    const char *spare);
void dmr_devices_put(struct dm_target *ti, struct dmr_target *target);

/* What tells main from other disks, as far as its driver says. @main is open. */
void dmr_devices_identify(struct block_device *main, struct dmr_main_identity *identity);

#endif
