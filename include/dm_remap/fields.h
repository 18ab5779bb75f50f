/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a target says of itself, value by value: one table of names and texts, for sysfs and for
 * the message `stats`. docs/SYSFS.md says what each means.
 *
 * Any context.
 */
#ifndef DM_REMAP_FIELDS_H
#define DM_REMAP_FIELDS_H

#include "dm_remap/core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where the value's file is, below the target's directory. */
enum dmr_directory {
	DMR_DIRECTORY_TOP,
	DMR_DIRECTORY_STATS,
	DMR_DIRECTORY_HEALTH,
	DMR_DIRECTORY_METADATA,
	DMR_DIRECTORY_NONE, /* in `stats` only */
};

enum dmr_field {
	DMR_FIELD_UUID,
	DMR_FIELD_LABEL,
	DMR_FIELD_STATE,
	DMR_FIELD_READ_ERRORS,
	DMR_FIELD_WRITE_ERRORS,
	DMR_FIELD_REMAPS,
	DMR_FIELD_LOST_SECTORS,
	DMR_FIELD_SALVAGED,
	DMR_FIELD_RETIRED_SLOTS,
	DMR_FIELD_COMMITS,
	DMR_FIELD_SEQUENCE,
	DMR_FIELD_GOOD_COPIES,
	DMR_FIELD_COPIES,
	DMR_FIELD_REPAIRS,
	DMR_FIELD_SLOTS_TOTAL,
	DMR_FIELD_SLOTS_USED,
	DMR_FIELD_SCORE,
	DMR_FIELD_HEALTH,
	DMR_FIELD_TREND,
	DMR_FIELD_EXHAUSTION_HOURS,
	DMR_FIELD_SLOW_READS,
	DMR_FIELD_RETRIES,
	DMR_FIELD_SCAN_STATE,
	DMR_FIELD_SCAN_POSITION,
	DMR_FIELD_SCAN_PASSES,
	DMR_FIELD_SCAN_ERRORS,
	DMR_FIELD_OVERHEAD_PPM,
	DMR_FIELD_EXPECTED_PASS_HOURS,
	DMR_FIELD_COUNT,
};

struct dmr_field_rule {
	enum dmr_directory directory;
	const char *name;  /* of the file */
	const char *stats; /* in `stats`; NULL: not there */
};
const struct dmr_field_rule *dmr_field_rule_of(enum dmr_field field);

/* The value of @field in @status, in @text. Returns @text. */
#define DMR_FIELD_TEXT_BYTES 64u
const char *dmr_field_print(enum dmr_field field, const struct dmr_status *status,
			    char text[DMR_FIELD_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
