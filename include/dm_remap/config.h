/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What can be set: one table of names, defaults and ranges, for the table line, for module
 * parameters and for sysfs.
 *
 * A value is a number. Where words stand for numbers (off, near, all), only the words are taken
 * and printed. Whatever is not exactly a number of the range, in plain decimal digits, or one of
 * the words, is refused, and changes nothing.
 *
 * A target has all of them up to DMR_CONFIG_COUNT, each with a value of its own, which
 * dmr_engine_config_set() changes while it lives. Behind that are the module's.
 *
 * Any context.
 */
#ifndef DM_REMAP_CONFIG_H
#define DM_REMAP_CONFIG_H

#include "dm_remap/types.h"

#ifdef __cplusplus
extern "C" {
#endif

enum dmr_config {
	DMR_CONFIG_READ_RETRIES,        /* of each logical block of a read that failed */
	DMR_CONFIG_REMAP_BURST,         /* new slots by failing I/O, in ... */
	DMR_CONFIG_REMAP_BURST_SECONDS, /* ... this time, above which main as a whole has failed */
	DMR_CONFIG_AUTO_REMAP,          /* 0: only messages make redirections */
	DMR_CONFIG_SCAN_ENABLED,
	DMR_CONFIG_SCAN_INTERVAL_HOURS, /* between two passes over a healthy main */
	DMR_CONFIG_SCAN_CHUNK_KIB,      /* one read of the scanner */
	DMR_CONFIG_SCAN_DUTY_PPM,       /* its share of main's time while others have I/O there ... */
	DMR_CONFIG_SCAN_IDLE_DUTY_PPM,  /* ... and while nobody has */
	DMR_CONFIG_SLOW_READ_MS,        /* what takes longer is moved */
	DMR_CONFIG_VERIFY_WRITES,       /* enum dmr_verify */
	DMR_CONFIG_SPARE_LOW_PERCENT,   /* of the slots used: an event */
	DMR_CONFIG_COUNT,

	DMR_CONFIG_DEBUG_LEVEL = DMR_CONFIG_COUNT, /* of the module */
	DMR_CONFIG_AUTO_SCAN, /* of the module: look for spares when block devices come and go */
	DMR_CONFIG_ALL,
};

/* Which writes to main are read back before they are acknowledged. */
enum dmr_verify {
	DMR_VERIFY_OFF,
	DMR_VERIFY_NEAR, /* those to blocks beside redirected ones */
	DMR_VERIFY_ALL,
};

struct dmr_config_rule {
	const char *name;
	dmr_u32 normal; /* the default */
	dmr_u32 min, max;
	const char *const *words; /* for min to max; NULL: numbers */
};
const struct dmr_config_rule *dmr_config_rule_of(enum dmr_config config);

/* DMR_CONFIG_ALL if nothing has that name. */
enum dmr_config dmr_config_find(const char *name);
/* Whether @text is a value of @config: then *value is set, else left as it was. */
int dmr_config_parse(enum dmr_config config, const char *text, dmr_u32 *value);
/* The text that dmr_config_parse() takes back, in @text. Returns @text. */
#define DMR_CONFIG_TEXT_BYTES 12u
const char *dmr_config_print(enum dmr_config config, dmr_u32 value,
			     char text[DMR_CONFIG_TEXT_BYTES]);

#ifdef __cplusplus
}
#endif

#endif
