/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the shim says in the kernel log: a fixed word for what happened, then key=value fields,
 * through device-mapper's own macros. Any context.
 */
#ifndef DMR_LOG_H
#define DMR_LOG_H

#include <linux/device-mapper.h>

#include "dm_remap/config.h"

#define DM_MSG_PREFIX "remap"

/* By enum dmr_config; what was never set is 0 (see config.c). */
extern u32 dmr_settings[DMR_CONFIG_ALL];

/* debug_level 0: none of these; 1: tables and pairs; 2: repairs; 3: each parked write. */
#define dmr_debug(level, fmt, ...)                                     \
	do {                                                           \
		if (unlikely(READ_ONCE(dmr_settings[DMR_CONFIG_DEBUG_LEVEL]) >= (level))) \
			DMINFO_LIMIT("debug " fmt, ##__VA_ARGS__);     \
	} while (0)

#endif
